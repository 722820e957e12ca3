"""From activity to standardised uptake."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.image import Image, Provenance
from pellucid.modalities.nuclear.tracer import date_time, decay_factor, mean_activity_time_s
from pellucid.units import quantity

_SECONDS_PER_DAY = 86400


def suv_body_weight(image: Image) -> Image:
    """Standardised uptake value by body weight [g/ml]: c · weight / activity left at the image's reference time.

    `image`: activity concentration [Bq/ml] decay-corrected to the start of the series (START) or to the injection
    (ADMIN), with the patient's weight and RadiopharmaceuticalInformationSequence. Raises `InvalidInputError` naming
    what is missing. Source: QIBA profile FDG-PET/CT, and its vendor-neutral SUV pseudo-code.
    """
    if image.quantity.name != "activity_concentration":
        raise UnsupportedError(
            f"is {image.quantity.name}; expected activity_concentration (Units BQML). Other units need private tags",
            field="quantity",
        )
    weight_kg = image.study.patient_weight_kg
    if weight_kg is None or not weight_kg > 0:
        raise InvalidInputError(f"is {weight_kg}; expected the patient's weight > 0 [kg]", field="PatientWeight")
    factor = suv_factor(image.attributes, weight_kg)
    return image.with_array(
        np.asarray(image.array * np.float32(factor)),
        quantity=quantity("suv_body_weight"),
        description=f"{image.description} SUVbw".strip(),
        attributes={**image.attributes, "Units": "GML"},
        provenance=Provenance(operation="suv_body_weight", parameters={"factor": factor}, parents=(image.provenance,)),
    )


def suv_factor(attributes: Mapping[str, Any], weight_kg: float) -> float:
    """g/ml for each Bq/ml: weight [g] / (injected activity · 2^(-Δt/T))."""
    items = attributes.get("RadiopharmaceuticalInformationSequence") or []
    if not items:
        raise InvalidInputError(
            "is missing; expected what was injected", field="RadiopharmaceuticalInformationSequence"
        )
    injected = items[0]
    dose = _positive(injected, "RadionuclideTotalDose", "Bq")
    correction = attributes.get("DecayCorrection")
    if correction == "ADMIN":
        return 1000 * weight_kg / dose
    if correction != "START":
        raise UnsupportedError(f"is {correction!r}; expected START or ADMIN", field="DecayCorrection")
    half_life = _positive(injected, "RadionuclideHalfLife", "s")
    return 1000 * weight_kg / (dose * decay_factor(half_life, _seconds_from_injection(injected, attributes)))


def _positive(item: Mapping[str, Any], keyword: str, unit: str) -> float:
    value = item.get(keyword)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InvalidInputError(f"is {value!r}; expected a number [{unit}]", field=keyword) from None
    if not (number > 0 and np.isfinite(number)):
        raise InvalidInputError(f"is {number}; expected a number > 0 [{unit}]", field=keyword)
    return number


def _seconds_from_injection(injected: Mapping[str, Any], attributes: Mapping[str, Any]) -> float:
    scan = _scan_start(attributes)
    started = str(injected.get("RadiopharmaceuticalStartDateTime") or "").strip()
    if started:
        injection = date_time(_without_zone(started), "RadiopharmaceuticalStartDateTime")
        if injection > scan:
            raise InvalidInputError("is after the start of the scan", field="RadiopharmaceuticalStartDateTime")
        return (scan - injection).total_seconds()
    time = str(injected.get("RadiopharmaceuticalStartTime") or "").strip()
    if not time:
        raise InvalidInputError("is missing, and so is the date and time", field="RadiopharmaceuticalStartTime")
    same_day = date_time(f"{scan:%Y%m%d}{_padded(time)}", "RadiopharmaceuticalStartTime")
    # A time alone: an injection that seems later than the scan was before midnight.
    return (scan - same_day).total_seconds() % _SECONDS_PER_DAY


def _scan_start(attributes: Mapping[str, Any]) -> datetime:
    """What decay correction START refers to: the start of the series, or the scan's own where that came earlier.

    A series time later than the acquisition is that of a later processing step; then the scan began when the frame
    did, less its reference time, plus the time at which its mean activity was met.
    """
    series, acquired = (_joined(attributes, name) for name in ("Series", "Acquisition"))
    if series is None and acquired is None:
        raise InvalidInputError("is missing, and AcquisitionTime too", field="SeriesTime")
    if acquired is None or (series is not None and series <= acquired):
        assert series is not None
        return series
    reference_s = float(attributes.get("FrameReferenceTime") or 0) / 1000
    duration_s = float(attributes.get("ActualFrameDuration") or 0) / 1000
    if not (reference_s > 0 and duration_s > 0):
        return acquired
    injected = attributes["RadiopharmaceuticalInformationSequence"][0]
    half_life = _positive(injected, "RadionuclideHalfLife", "s")
    return acquired + timedelta(seconds=mean_activity_time_s(half_life, duration_s) - reference_s)


def _joined(attributes: Mapping[str, Any], name: str) -> datetime | None:
    date, time = (str(attributes.get(f"{name}{part}") or "").strip() for part in ("Date", "Time"))
    return date_time(date + _padded(time), f"{name}Time") if date and time else None


def _padded(time: str) -> str:
    """A DICOM TM of any precision with hours, minutes and seconds."""
    whole, point, fraction = time.partition(".")
    return whole.ljust(6, "0") + (point + fraction if fraction else "")


def _without_zone(value: str) -> str:
    for sign in "+-":
        value = value.partition(sign)[0]
    return value
