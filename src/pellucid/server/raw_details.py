"""What is shown of a raw signal, worked out once: signals are large and never change."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from pellucid.acquisition import Acquisition, SignalView, summary_of
from pellucid.modality import Method, modality
from pellucid.server.signal_pictures import signal_png

_REMEMBERED = 64


@dataclass(frozen=True)
class SignalPicture:
    """A signal view as a PNG file."""

    title: str
    row_axis: str
    column_axis: str
    png: bytes


@dataclass(frozen=True)
class RawDetails:
    """A signal's summary, the methods and parameters that count on it (as JSON), and its pictures."""

    summary: Mapping[str, str]
    default_method: str
    methods: tuple[Mapping[str, Any], ...]
    pictures: tuple[SignalPicture, ...]


class DetailsCache:
    """The details of the signals that were asked for last."""

    def __init__(self, read: Callable[[str], Acquisition | None]) -> None:
        self._read = read
        self._known: OrderedDict[str, RawDetails] = OrderedDict()
        self._lock = Lock()

    def get(self, acquisition_id: str) -> RawDetails | None:
        """The details of a stored signal; None where there is no such signal."""
        with self._lock:
            if acquisition_id in self._known:
                self._known.move_to_end(acquisition_id)
                return self._known[acquisition_id]
            raw = self._read(acquisition_id)
            if raw is None:
                return None
            self._known[acquisition_id] = details_of(raw)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            return self._known[acquisition_id]


def details_of(raw: Acquisition) -> RawDetails:
    """What is shown of a signal."""
    owner = modality(raw.modality)
    return RawDetails(
        summary=summary_of(raw),
        default_method=owner.default_method(raw),
        methods=tuple(_method(method, raw) for method in owner.methods_for(raw)),
        pictures=tuple(_picture(view) for view in raw.signal_views()),
    )


def _method(method: Method, raw: Acquisition) -> dict[str, Any]:
    return {
        "name": method.name,
        "title": method.title,
        "source": method.source,
        "parameters": [parameter.to_json() for parameter in method.parameters_for(raw)],
    }


def _picture(view: SignalView) -> SignalPicture:
    return SignalPicture(view.title, view.row_axis, view.column_axis, signal_png(view.array))
