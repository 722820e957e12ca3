"""Channel axes ⇄ the attribute that tells the instances of one place apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from pellucid.errors import UnsupportedError
from pellucid.image import Channel, Image

_MILLISECONDS = {"ms": 1.0, "s": 1000.0, "min": 60_000.0, "h": 3_600_000.0}


@dataclass(frozen=True)
class ChannelAttribute:
    """A channel's name, the keyword that carries its value, and the value's unit in DICOM."""

    name: str
    keyword: str
    unit: str


CHANNELS = (
    ChannelAttribute("echo_time", "EchoTime", "ms"),
    ChannelAttribute("inversion_time", "InversionTime", "ms"),
    ChannelAttribute("flip_angle", "FlipAngle", "deg"),
    ChannelAttribute("b_value", "DiffusionBValue", "s/mm2"),
    ChannelAttribute("trigger_time", "TriggerTime", "ms"),
    ChannelAttribute("frame_reference_time", "FrameReferenceTime", "ms"),
)
"""Channels that one numeric attribute carries as it is."""

TIME = "time"
"""The channel of repeated acquisition: frame reference time of PET, else the acquisition's date and time."""


def frames_of(image: Image, start: datetime) -> list[tuple[tuple[int, ...], dict[str, Any]]]:
    """For each combination of channel indices: the index and the attributes that the instances carry.

    Raises `UnsupportedError` for a channel that no attribute can carry.
    """
    if not image.channels:
        return [((), {})]
    found = []
    for index in product(*(range(len(channel.values)) for channel in image.channels)):
        values: dict[str, Any] = {}
        for channel, at in zip(image.channels, index, strict=True):
            values |= _attributes(channel, at, image.modality, start)
        found.append((index, values))
    return found


def _attributes(channel: Channel, at: int, modality: str, start: datetime) -> dict[str, Any]:
    if channel.name in (TIME, "repetition"):
        return _time(channel, at, modality, start)
    for known in CHANNELS:
        if known.name == channel.name:
            extra = {"EchoNumbers": at + 1} if known.keyword == "EchoTime" else {}
            return {known.keyword: channel.values[at] * _factor(channel, known.unit)} | extra
    names = ", ".join(sorted([known.name for known in CHANNELS] + [TIME]))
    raise UnsupportedError(
        f"channel {channel.name!r} has no attribute in a DICOM series (known: {names}); select one of its values first",
        field="channels",
    )


def _factor(channel: Channel, unit: str) -> float:
    if channel.unit == unit:
        return 1.0
    if unit == "ms" and channel.unit in _MILLISECONDS:
        return _MILLISECONDS[channel.unit]
    raise UnsupportedError(f"channel {channel.name!r} is in {channel.unit!r}; expected {unit!r}", field="channels")


def _time(channel: Channel, at: int, modality: str, start: datetime) -> dict[str, Any]:
    milliseconds = channel.values[at] * (1.0 if channel.unit == "1" else _factor(channel, "ms"))
    if modality == "PT":
        return {"FrameReferenceTime": milliseconds}
    moment = start + timedelta(milliseconds=milliseconds)
    values: dict[str, Any] = {"AcquisitionDateTime": moment.strftime("%Y%m%d%H%M%S.%f")}
    if modality == "MR":
        values |= {"TemporalPositionIdentifier": at + 1, "NumberOfTemporalPositions": len(channel.values)}
    return values
