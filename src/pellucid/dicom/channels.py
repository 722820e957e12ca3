"""Channel axes ⇄ the attribute that tells the instances of one place apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations, pairwise, product
from typing import Any

from pellucid.dicom.frames import Frame
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
)
"""Channels that one numeric attribute carries as it is."""

TIME, REPETITION = "time", "repetition"
"""Repeated acquisition, where its times are known (frame reference time of PET, else date and time), and where not."""

_FRAME_TIME = ChannelAttribute(TIME, "FrameReferenceTime", "ms")
_POSITION = ChannelAttribute(TIME, "TemporalPositionIdentifier", "1")
_MOMENTS = ("FrameAcquisitionDateTime", "AcquisitionDateTime", "AcquisitionTime", "ContentTime")


def instances_of(image: Image, start: datetime) -> list[tuple[tuple[int, ...], dict[str, Any]]]:
    """For each combination of channel indices: the index and the attributes that the instances carry.

    `start`: when time 0 was. Raises `UnsupportedError` for a channel that no attribute can carry.
    """
    found = []
    for index in product(*(range(len(channel.values)) for channel in image.channels)):
        values: dict[str, Any] = {}
        for channel, at in zip(image.channels, index, strict=True):
            values |= _attributes(channel, at, image.modality, start)
        found.append((index, values))
    return found


def _attributes(channel: Channel, at: int, modality: str, start: datetime) -> dict[str, Any]:
    if channel.name in (TIME, REPETITION):
        return _time(channel, at, modality, start)
    for known in CHANNELS:
        if known.name == channel.name:
            extra = {"EchoNumbers": at + 1} if known.keyword == "EchoTime" else {}
            return {known.keyword: channel.values[at] * _factor(channel, known.unit)} | extra
    names = ", ".join(sorted([known.name for known in CHANNELS] + [TIME, REPETITION]))
    raise UnsupportedError(
        f"{channel.name!r} has no attribute in a DICOM series (known: {names}); select one of its values first",
        field="channels",
    )


def _factor(channel: Channel, unit: str) -> float:
    if channel.unit == unit:
        return 1.0
    if unit == "ms" and channel.unit in _MILLISECONDS:
        return _MILLISECONDS[channel.unit]
    raise UnsupportedError(f"{channel.name!r} is in {channel.unit!r}; expected {unit!r}", field="channels")


def _time(channel: Channel, at: int, modality: str, start: datetime) -> dict[str, Any]:
    if channel.name == REPETITION:
        values: dict[str, Any] = (
            {"FrameReferenceTime": float(at)} if modality == "PT" else {"AcquisitionNumber": at + 1}
        )
    elif modality == "PT":
        values = {"FrameReferenceTime": channel.values[at] * _factor(channel, "ms")}
    else:
        moment = start + timedelta(milliseconds=channel.values[at] * _factor(channel, "ms"))
        values = {"AcquisitionDateTime": moment.strftime("%Y%m%d%H%M%S.%f")}
    if modality == "MR":
        values |= {"TemporalPositionIdentifier": at + 1, "NumberOfTemporalPositions": len(channel.values)}
    return values


def channels_of(places: Sequence[Sequence[Frame]]) -> tuple[tuple[Channel, ...], list[list[Frame]]]:
    """The channels that tell the frames of each place apart, and each place's frames in their order.

    `places`: the frames at each slice position, equally many. The fewest attributes whose values make a complete
    table are taken; where none do, frames are repetitions in the order of their instance numbers.
    """
    count = len(places[0])
    if count == 1:
        return (), [list(frames) for frames in places]
    axes = [found for found in (_axis(places, attribute) for attribute in (*CHANNELS, _FRAME_TIME, _POSITION)) if found]
    for size in range(1, min(3, len(axes)) + 1):
        for chosen in combinations(axes, size):
            ordered = _complete_table(places, chosen)
            if ordered is not None:
                return tuple(_channel(attribute, values, ordered[0]) for attribute, values in chosen), ordered
    ordered = [sorted(frames, key=_order) for frames in places]
    return (_repeated(ordered[0]),), ordered


_Axis = tuple[ChannelAttribute, tuple[float, ...]]


def _axis(places: Sequence[Sequence[Frame]], attribute: ChannelAttribute) -> _Axis | None:
    """The attribute's distinct values, where every frame has one and there are at least two."""
    values = [_number(frame, attribute.keyword) for frames in places for frame in frames]
    distinct = sorted({value for value in values if value is not None})
    return (attribute, tuple(distinct)) if None not in values and len(distinct) > 1 else None


def _number(frame: Frame, keyword: str) -> float | None:
    value = frame.get(keyword)
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None


def _complete_table(places: Sequence[Sequence[Frame]], axes: Sequence[_Axis]) -> list[list[Frame]] | None:
    """Each place's frames in order of the axes' values (the last fastest), or None where a cell is not filled once."""
    cells = list(product(*(values for _, values in axes)))
    ordered = []
    for frames in places:
        table = {tuple(_number(frame, attribute.keyword) for attribute, _ in axes): frame for frame in frames}
        if len(table) != len(frames) or len(cells) != len(frames) or any(cell not in table for cell in cells):
            return None
        ordered.append([table[cell] for cell in cells])
    return ordered


def _channel(attribute: ChannelAttribute, values: tuple[float, ...], frames: list[Frame]) -> Channel:
    if attribute is not _POSITION:
        return Channel(attribute.name, attribute.unit, values)
    firsts = [next(f for f in frames if _number(f, attribute.keyword) == value) for value in values]
    return _repeated(firsts)


def _order(frame: Frame) -> tuple[float, int]:
    return _number(frame, "InstanceNumber") or 0.0, frame.index


def _repeated(frames: Sequence[Frame]) -> Channel:
    """Times of frames of one place in their order: from clock times, else from the repetition time of a dynamic."""
    for keyword in _MOMENTS:
        seconds = [_seconds(frame.get(keyword)) for frame in frames]
        known = [value for value in seconds if value is not None]
        if len(known) == len(frames) and all(b > a for a, b in pairwise(known)):
            return Channel(TIME, "s", tuple(round(value - known[0], 6) for value in known))
    step, count = _number(frames[0], "RepetitionTime"), _number(frames[0], "NumberOfTemporalPositions")
    if step and count == len(frames):
        return Channel(TIME, "s", tuple(index * step / 1000 for index in range(len(frames))))
    return Channel(REPETITION, "1", tuple(float(index) for index in range(len(frames))))


def _seconds(value: Any) -> float | None:
    """Seconds since some midnight of a DICOM time (HHMMSS.F) or date and time (YYYYMMDDHHMMSS.F)."""
    text = str(value or "").split("+")[0].split("-")[0]
    whole, _, fraction = text.partition(".")
    if not whole.isdigit() or (fraction and not fraction.isdigit()) or len(whole) not in (6, 14):
        return None
    try:
        moment = datetime.strptime(whole if len(whole) == 14 else f"19000101{whole}", "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return (moment - datetime(1900, 1, 1)).total_seconds() + float(f"0.{fraction or 0}")
