"""Acquisition: a detector's signal and how it was acquired; each modality derives its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError
from pellucid.image import Provenance
from pellucid.study import POSITION_ASSUMED, StudyContext


@dataclass(frozen=True)
class SignalView:
    """A picture of the raw signal for people: a 2D array, its axes and what it shows.

    `array`: real, `[row, column]`; `row_axis`, `column_axis`: name and unit of each axis.
    """

    title: str
    array: NDArray[np.float32]
    row_axis: str
    column_axis: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Acquisition(ABC):
    """Base of every raw signal.

    `attributes`: acquisition parameters by DICOM keyword, in DICOM's units, that images made from it will carry.
    `isocentre_lps_mm`: the scanner's isocentre in patient coordinates; scanner axes are parallel to LPS.
    `description`: becomes the series description. Derived classes document shape and unit of every array and
    check them in `validate`.
    """

    modality: ClassVar[str]
    """Key of the modality in the modality table."""

    study: StudyContext = field(default_factory=StudyContext)
    provenance: Provenance = field(default_factory=lambda: Provenance(operation="unknown"))
    description: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    isocentre_lps_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        self.validate()

    def __repr__(self) -> str:
        named = f" {self.description!r}" if self.description else ""
        summary = "; ".join(f"{label.lower()} {value}" for label, value in summary_of(self).items())
        return f"<{type(self).__name__} {self.modality}{named}: {summary}>"

    @property
    def position_assumed(self) -> bool:
        """Whether the position in the patient is assumed, not known; images made from the signal say the same."""
        return self.study.position_assumed

    @abstractmethod
    def validate(self) -> None:
        """Raise `InvalidInputError` naming the field where the parts contradict each other."""

    @abstractmethod
    def summary(self) -> dict[str, str]:
        """What was acquired, for people: label → value with unit, in reading order."""

    @abstractmethod
    def signal_views(self) -> list[SignalView]:
        """Pictures of the signal (a sinogram, log k-space magnitude …), the most telling first."""


def summary_of(raw: Acquisition) -> dict[str, str]:
    """The signal's own summary and, where its position is assumed, what that means."""
    remark = {"Position": POSITION_ASSUMED.removeprefix("Position ")} if raw.position_assumed else {}
    return raw.summary() | remark


def require_shape(array: NDArray[Any], expected: tuple[int | None, ...], name: str, axes: str) -> None:
    """Raise unless `array` has the `expected` shape (None: any length ≥ 1); `axes` names them in the message."""
    wrong = array.ndim != len(expected) or any(
        length < 1 if want is None else length != want for length, want in zip(array.shape, expected, strict=False)
    )
    if wrong:
        want = ", ".join("any" if e is None else str(e) for e in expected)
        reversed_hint = array.ndim == len(expected) and all(
            want is None or length == want for length, want in zip(array.shape[::-1], expected, strict=True)
        )
        hint = ". Reversed axes?" if reversed_hint else ""
        raise InvalidInputError(f"is {array.shape}; expected {axes} = ({want}){hint}", field=name)


def require_finite(array: NDArray[Any], name: str) -> None:
    """Raise where `array` holds NaN or infinity, with how many and the first place."""
    bad = ~np.isfinite(array)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InvalidInputError(
            f"holds {int(bad.sum())} values that are not finite, the first at index {first}; expected numbers only",
            field=name,
        )
