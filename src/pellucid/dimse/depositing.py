"""Instances delivered to where no DICOM application listens: a folder, or a DICOMweb server (STOW-RS)."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from pellucid.archive import Archive, InstanceRecord, ObjectDamagedError
from pellucid.archive.levels import tag_of
from pellucid.dimse.web_partners import WebPartner

_BATCH_BYTES = 64 << 20
_CHUNK = 1 << 20
_INSTANCE, _FAILED, _REASON = map(tag_of, ("ReferencedSOPInstanceUID", "FailedSOPSequence", "FailureReason"))


def to_folder(archive: Archive, folder: str, records: Mapping[int, InstanceRecord]) -> dict[int, str]:
    """Write each instance as one file, named by its content, complete or not at all."""
    place = Path(folder)
    results = {}
    for number, record in records.items():
        target = place / f"{record.object_sha256}.dcm"
        partial = place / f".{uuid.uuid4().hex}.partial"
        try:
            place.mkdir(parents=True, exist_ok=True)
            with archive.objects.open(record.object_sha256) as source, partial.open("wb") as file:
                while piece := source.read(_CHUNK):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
            results[number] = ""
        except (OSError, ObjectDamagedError) as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            results[number] = f"cannot be written ({getattr(error, 'strerror', None) or error})"
    return results


def to_web(archive: Archive, partner: WebPartner, records: Mapping[int, InstanceRecord]) -> dict[int, str]:
    """Store instances at a DICOMweb server, some at a time (PS3.18 section 10.5)."""
    results: dict[int, str] = {}
    with partner.client() as client:
        for batch in _batches(records):
            results.update(_stow(client, archive, partner.url, batch))
    return results


def _stow(client: httpx.Client, archive: Archive, url: str, records: Mapping[int, InstanceRecord]) -> dict[int, str]:
    boundary = uuid.uuid4().hex
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Accept": "application/dicom+json",
    }
    try:
        answer = client.post(f"{url.rstrip('/')}/studies", content=_parts(archive, records, boundary), headers=headers)
        failed = _failures(answer)
    except (httpx.HTTPError, ObjectDamagedError) as error:
        return dict.fromkeys(records, f"{type(error).__name__}: {error}")
    return {number: failed.get(record.sop_instance_uid, failed.get("", "")) for number, record in records.items()}


def _failures(answer: httpx.Response) -> dict[str, str]:
    """Why instances were refused; under the empty name: for all that are not named."""
    if answer.status_code in (401, 403):
        return {"": f"HTTP status {answer.status_code}: not let in; `pellucid dicomweb add` says with what to come"}
    if answer.status_code not in (200, 202, 409):
        return {"": f"HTTP status {answer.status_code}"}
    try:
        listed: list[dict[str, Any]] = answer.json().get(_FAILED, {}).get("Value", []) if answer.content else []
        failed = {
            str(item[_INSTANCE]["Value"][0]): f"failure reason {item[_REASON]['Value'][0]:04X}" for item in listed
        }
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        failed = {}
    if answer.status_code == 409 and not failed:
        return {"": "HTTP status 409"}
    return failed


def _parts(archive: Archive, records: Mapping[int, InstanceRecord], boundary: str) -> Iterator[bytes]:
    for record in records.values():
        yield f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        with archive.objects.open(record.object_sha256) as file:
            while piece := file.read(_CHUNK):
                yield piece
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _batches(records: Mapping[int, InstanceRecord]) -> Iterator[dict[int, InstanceRecord]]:
    batch: dict[int, InstanceRecord] = {}
    size = 0
    for number, record in records.items():
        if batch and size + record.object_size > _BATCH_BYTES:
            yield batch
            batch, size = {}, 0
        batch[number] = record
        size += record.object_size
    if batch:
        yield batch
