"""What a modality offers, and the table that `read`, `scan` and `reconstruct` dispatch on."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from pellucid.acquisition import Acquisition
from pellucid.errors import InvalidInputError, UnknownOptionError
from pellucid.image import Image, Provenance
from pellucid.parameters import Parameter, checked, fields_of, parameters_of
from pellucid.progress import Progress, no_progress

_TABLE = {
    "xray": "pellucid.modalities.xray",
    "mr": "pellucid.modalities.mr",
    "nuclear": "pellucid.modalities.nuclear",
}
"""Key → module whose `MODALITY` describes it; imported when first asked for."""


class _HasName(typing.Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_HasName)

HEAD_BYTES = 4096
"""How much of a file's beginning a reader's `sniff` is shown."""


@dataclass(frozen=True)
class Reader:
    """Reads one raw-data format.

    `sniff(head, name)` says from the first bytes and the file's name whether the file is of this format;
    `read(path)` returns every acquisition in it, or raises `InvalidInputError` naming file and field.
    """

    name: str
    title: str
    extensions: tuple[str, ...]
    sniff: Callable[[bytes, str], bool]
    read: Callable[[Path], list[Acquisition]]


@dataclass(frozen=True)
class Method:
    """A named way from a signal to an image.

    `function(raw, *, progress, **parameters) -> Image`; its keyword-only parameters carry `About` annotations. What
    it chose where a parameter says automatic, it gives as parameters of the image's provenance.
    `refuses(raw)` gives the reason why the method cannot be used on this acquisition, or "" where it can.
    """

    name: str
    title: str
    function: Callable[..., Image]
    source: str = ""
    refuses: Callable[[Any], str] = field(default=lambda _: "")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The method's parameters, read from the function's annotations."""
        return parameters_of(self.function)

    @property
    def defaults(self) -> dict[str, Any]:
        """The parameters' values where none are given."""
        return {parameter.name: parameter.default for parameter in self.parameters}

    def parameters_for(self, raw: Acquisition) -> tuple[Parameter, ...]:
        """The parameters that can make a difference to an image of `raw`."""
        defaults = self.defaults
        return tuple(parameter for parameter in self.parameters if parameter.has_use(raw, defaults))

    def checked(self, raw: Acquisition, given: Mapping[str, Any]) -> dict[str, Any]:
        """`given`, as the function wants it; raises for unknown names, values out of range, and what `raw` ignores."""
        values = checked(self.parameters, given, f"{raw.modality} {self.name}")
        whole = {**self.defaults, **values}
        for parameter in self.parameters:
            parameter.require_use(raw, whole)
        return values


@dataclass(frozen=True)
class Protocol:
    """A named, ready scan protocol: `settings` is a dataclass whose `About`-annotated fields can be changed."""

    name: str
    title: str
    settings: Any

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The settings that can be changed, with this protocol's values as defaults."""
        values = fields_of(type(self.settings))
        return tuple(replace(value, default=getattr(self.settings, value.name)) for value in values)


@dataclass(frozen=True)
class Modality:
    """A modality's door. `scan(anatomy, settings, *, seed, study, progress) -> Acquisition`."""

    key: str
    title: str
    acquisitions: tuple[type[Acquisition], ...]
    readers: tuple[Reader, ...]
    methods: tuple[Method, ...]
    protocols: tuple[Protocol, ...]
    scan: Callable[..., Acquisition]
    default_method: Callable[[Any], str]

    def method(self, name: str) -> Method:
        """The method called `name`; raises with the list of known ones."""
        return _named(self.methods, name, f"{self.key} method")

    def protocol(self, name: str) -> Protocol:
        """The protocol called `name`; raises with the list of known ones."""
        return _named(self.protocols, name, f"{self.key} protocol")

    def methods_for(self, raw: Acquisition) -> list[Method]:
        """The methods that can be used on `raw`."""
        return [method for method in self.methods if not method.refuses(raw)]


def known_modalities() -> list[str]:
    """Keys of all modalities."""
    return list(_TABLE)


def modality(key: str) -> Modality:
    """The modality called `key`; raises `UnknownOptionError` with the list of known ones."""
    if key not in _TABLE:
        raise UnknownOptionError("modality", key, _TABLE)
    found: Modality = import_module(_TABLE[key]).MODALITY
    return found


def all_modalities() -> list[Modality]:
    """Every modality, imported."""
    return [modality(key) for key in _TABLE]


def reconstruct(
    raw: Acquisition,
    method: str | None = None,
    *,
    progress: Progress = no_progress,
    parameters: Mapping[str, Any] | None = None,
) -> Image:
    """Image from a signal by a named method (default: the modality's choice for this acquisition).

    Raises `UnknownOptionError` for an unknown method or parameter and `InvalidInputError` where the method
    cannot be used on `raw`, or a value is out of range or, other than the default, does nothing on `raw`.
    """
    owner = modality(raw.modality)
    chosen = owner.method(method or owner.default_method(raw))
    reason = chosen.refuses(raw)
    if reason:
        able = ", ".join(m.name for m in owner.methods_for(raw)) or "none"
        raise InvalidInputError(f"cannot be used on this acquisition: {reason}; usable: {able}", field=chosen.name)
    values = chosen.checked(raw, parameters or {})
    image = chosen.function(raw, progress=progress, **values)
    provenance = Provenance(
        operation="reconstruct",
        method=f"{owner.key}.{chosen.name}",
        parameters={**chosen.defaults, **values, **image.provenance.parameters},
        sources=raw.provenance.sources,
        software=software(),
        parents=(raw.provenance,),
    )
    return replace(image, provenance=provenance)


def software() -> str:
    """Name and version of this program, as provenance records it."""
    from pellucid import __version__

    return f"Pellucid {__version__}"


def _named(things: tuple[N, ...], name: str, what: str) -> N:
    for thing in things:
        if thing.name == name:
            return thing
    raise UnknownOptionError(what, name, (thing.name for thing in things))
