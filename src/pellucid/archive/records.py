"""What the archive answers about what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class InstanceRecord:
    """Where an instance's bytes are and how its pixels lie in them.

    `pixel_tag` names the pixel element ("7FE00010", "7FE00008", "7FE00009"), empty where there is none;
    `pixel_offset`, `pixel_length` [byte]: its value within the object, -1 where it cannot be sliced. `received`: UTC,
    ISO 8601.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    instance_number: int | None
    number_of_frames: int
    rows: int
    columns: int
    samples_per_pixel: int
    bits_allocated: int
    pixel_tag: str
    pixel_offset: int
    pixel_length: int
    object_sha256: str
    object_size: int
    received: str


@dataclass(frozen=True, kw_only=True)
class AcquisitionRecord:
    """A stored raw signal; `created` is UTC, ISO 8601."""

    id: str
    modality: str
    description: str
    patient_name: str
    study_instance_uid: str
    created: str
    object_size: int
    series_instance_uids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SeriesSource:
    """What a series was reconstructed from."""

    acquisition_id: str
    method: str
    parameters: Mapping[str, Any]
