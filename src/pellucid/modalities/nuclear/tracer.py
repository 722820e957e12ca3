"""Positron emitters, what was injected, and decay."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from pellucid.errors import InvalidInputError, UnknownOptionError
from pellucid.units import Code


@dataclass(frozen=True)
class Nuclide:
    """A positron emitter: half-life, positrons per decay, and its code (DICOM PS3.16 CID 4020)."""

    name: str
    half_life_s: float
    positron_fraction: float
    code: Code


# Half-lives and positron fractions: Decay Data Evaluation Project, Monographie BIPM-5 (LNHB).
NUCLIDES = {
    "F-18": Nuclide("F-18", 6584.04, 0.9686, Code("77004003", "SCT", "^18^Fluorine")),
    "C-11": Nuclide("C-11", 1221.66, 0.9975, Code("40565003", "SCT", "^11^Carbon")),
    "N-13": Nuclide("N-13", 597.9, 0.9980, Code("21576001", "SCT", "^13^Nitrogen")),
    "O-15": Nuclide("O-15", 122.46, 0.9988, Code("129504001", "SCT", "^15^Oxygen")),
    "Ga-68": Nuclide("Ga-68", 4070.4, 0.8888, Code("35337001", "SCT", "^68^Gallium")),
}


def nuclide(name: str) -> Nuclide:
    """The nuclide called `name` (such as F-18); raises `UnknownOptionError` with the list of known ones."""
    if name not in NUCLIDES:
        raise UnknownOptionError("nuclide", name, NUCLIDES)
    return NUCLIDES[name]


@dataclass(frozen=True)
class Radiopharmaceutical:
    """A labelled substance: the tracer's key in the tissue table, its nuclide and code (PS3.16 CID 4021)."""

    key: str
    name: str
    nuclide: str
    code: Code


RADIOPHARMACEUTICALS = {
    "fdg": Radiopharmaceutical(
        "fdg", "Fluorodeoxyglucose F^18^", "F-18", Code("35321007", "SCT", "Fluorodeoxyglucose F^18^")
    ),
}


def radiopharmaceutical(key: str) -> Radiopharmaceutical:
    """The radiopharmaceutical called `key`; raises `UnknownOptionError` with the list of known ones."""
    if key not in RADIOPHARMACEUTICALS:
        raise UnknownOptionError("tracer", key, RADIOPHARMACEUTICALS)
    return RADIOPHARMACEUTICALS[key]


@dataclass(frozen=True, kw_only=True)
class Injection:
    """What was injected and when: `activity_bq` at `time` (DICOM DT, YYYYMMDDHHMMSS)."""

    tracer: str
    nuclide: str
    half_life_s: float
    positron_fraction: float
    activity_bq: float
    time: str

    def __post_init__(self) -> None:
        if not (self.activity_bq > 0 and math.isfinite(self.activity_bq)):
            raise InvalidInputError(f"is {self.activity_bq}; expected a number > 0 [Bq]", field="injection.activity_bq")
        if not (self.half_life_s > 0 and 0 < self.positron_fraction <= 1):
            raise InvalidInputError(
                f"half-life {self.half_life_s} s, positron fraction {self.positron_fraction}; expected > 0 and 0 to 1",
                field="injection",
            )
        date_time(self.time, "injection.time")

    def activity_at(self, time: str) -> float:
        """What is left of the injected activity at `time` [Bq]."""
        return self.activity_bq * decay_factor(self.half_life_s, seconds_between(self.time, time))


def decay_factor(half_life_s: float, seconds: float) -> float:
    """What is left of 1 after `seconds`: 2^(-t/T)."""
    return float(2.0 ** (-seconds / half_life_s))


def mean_decay(half_life_s: float, duration_s: float) -> float:
    """Mean of 2^(-t/T) over a frame that starts at t = 0: (1 - e^(-λt))/(λt)."""
    exponent = math.log(2) * duration_s / half_life_s
    return -math.expm1(-exponent) / exponent


def mean_activity_time_s(half_life_s: float, duration_s: float) -> float:
    """When in a frame the activity equals its mean over the frame."""
    return -half_life_s / math.log(2) * math.log(mean_decay(half_life_s, duration_s))


def date_time(value: str, field: str = "time") -> datetime:
    """A DICOM date and time YYYYMMDDHHMMSS[.ffffff] without time zone; raises `InvalidInputError` naming `field`."""
    whole, _, fraction = value.partition(".")
    try:
        if len(whole) != len("YYYYMMDDHHMMSS"):
            raise ValueError(whole)
        result = datetime.strptime(whole, "%Y%m%d%H%M%S")
        return result + timedelta(seconds=float(f"0.{fraction}") if fraction else 0.0)
    except ValueError:
        raise InvalidInputError(f"is {value!r}; expected YYYYMMDDHHMMSS", field=field) from None


def seconds_between(start: str, end: str) -> float:
    """Seconds from one DICOM date and time to another."""
    return (date_time(end) - date_time(start)).total_seconds()


def shifted(time: str, seconds: float) -> str:
    """A DICOM date and time, `seconds` later, to the second."""
    return (date_time(time) + timedelta(seconds=seconds)).strftime("%Y%m%d%H%M%S")
