"""What can be asked for: frames of stored instances, as codestreams in precincts that are made once and kept."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Literal

from pellucid.archive import InstanceRecord, Query, View
from pellucid.codecs import Instance, NotLosslessError
from pellucid.codecs.conversion import Conversion, Converter
from pellucid.codecs.elements import PIXEL_DATA
from pellucid.codecs.sandbox import DecodersBusyError
from pellucid.codecs.syntaxes import HTJ2K_LOSSLESS_RPCL, JPEG_2000_LOSSLESS
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.jpip import index as indexes
from pellucid.jpip.boxes import codestream_of
from pellucid.jpip.index import Index
from pellucid.jpip.limits import Limits
from pellucid.jpip.partition import partition
from pellucid.jpip.problems import RequestError

Coding = Literal["", "j2k", "htj2k"]
"""Which code-blocks: JPEG 2000's, HTJ2K's, or those of the stored frame (HTJ2K's where it has none)."""

_VERSION = 1
_UID = r"[0-9.]{1,64}"
_TARGET = re.compile(
    rf"(?:studies/({_UID})/series/({_UID})/)?instances/({_UID})(?:/frames/([1-9][0-9]{{0,8}}))?", re.ASCII
)
_STORED: dict[str, Coding] = {
    "1.2.840.10008.1.2.4.90": "j2k",
    "1.2.840.10008.1.2.4.91": "j2k",
    "1.2.840.10008.1.2.4.201": "htj2k",
    "1.2.840.10008.1.2.4.202": "htj2k",
    "1.2.840.10008.1.2.4.203": "htj2k",
}
_OPENED = 64
_SWEEP_EVERY = 64


@dataclass(frozen=True)
class Target:
    """Frames of one instance, counted from 0: a codestream each, in this order."""

    record: InstanceRecord
    frames: Sequence[int]
    coding: Coding

    @property
    def identifier(self) -> str:
        """Names the content: another one, whatever its name, has another identifier."""
        text = f"{_VERSION} {self.record.object_sha256} {self.frames} {self.coding}"
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:40]


class Targets:
    """Finds targets, and keeps their codestreams in a folder, named by the content they were made from."""

    def __init__(self, folder: Path, limits: Limits, convert: Converter) -> None:
        self._folder = folder
        self._convert = convert
        self._limits = limits
        self._opened: OrderedDict[str, Index] = OrderedDict()
        self._lock = Lock()
        self._making = [Lock() for _ in range(16)]
        self._made = 0

    def find(self, view: View, name: str, coding: Coding) -> Target:
        """The target that a name such as "instances/1.2.3/frames/1" stands for, where the caller may see it."""
        match = _TARGET.fullmatch(name)
        if not match:
            raise RequestError(
                404, f"target {name[:100]!r} does not exist; expected such as instances/1.2.3, or with /frames/1"
            )
        record = _record(view, *match.groups()[:3])
        if record is None:
            raise RequestError(404, "there is no such instance")
        if not record.pixel_tag:
            raise RequestError(404, "the instance has no pixel data")
        frame = int(match[4]) if match[4] else None
        if frame is not None and frame > record.number_of_frames:
            raise RequestError(404, f"frame {frame} does not exist; the instance has {record.number_of_frames}")
        frames = range(record.number_of_frames) if frame is None else range(frame - 1, frame)
        return Target(record, frames, coding or _STORED.get(record.transfer_syntax_uid, "htj2k"))

    def key(self, target: Target, stream: int) -> str:
        """The name of what is kept of one of the target's codestreams."""
        if stream >= len(target.frames):
            raise RequestError(404, f"codestream {stream} does not exist; the target has {len(target.frames)}")
        text = f"{_VERSION} {target.record.object_sha256} {target.frames[stream]} {target.coding}"
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    def index(self, view: View, target: Target, stream: int) -> Index:
        """The index of one of the target's codestreams, made now where it is not kept."""
        key = self.key(target, stream)
        with self._lock:
            if key in self._opened:
                self._opened.move_to_end(key)
                return self._opened[key]
        with self._making[int(key[0], 16)]:
            found = indexes.load(self._path(key)) or self._make(view, target, target.frames[stream], key)
        with self._lock:
            self._opened[key] = found
            while len(self._opened) > _OPENED:
                self._opened.popitem(last=False)
        return found

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / key

    def _make(self, view: View, target: Target, frame: int, key: str) -> Index:
        try:
            made = partition(codestream_of(self._codestream(view, target, frame)))
        except DecodersBusyError as error:
            raise RequestError(503, str(error)) from error
        except (InvalidInputError, NotLosslessError) as error:
            raise RequestError(406, f"frame {frame + 1} cannot be delivered: {error}") from error
        indexes.save(made, self._path(key))
        with self._lock:
            self._made += 1
            sweep = self._made % _SWEEP_EVERY == 1
        if sweep:
            self._sweep()
        return Index(made.data, made.packet_lengths)

    def _codestream(self, view: View, target: Target, frame: int) -> bytes:
        """The frame as it is stored, where it is coded as wanted, else encoded now."""
        record = target.record
        with Instance.open(view.objects.path(record.object_sha256)) as instance:
            if instance.pixel is None or instance.pixel.tag != PIXEL_DATA:
                raise UnsupportedError("floating point has no codec", field="PixelData")
            if _STORED.get(record.transfer_syntax_uid) == target.coding:
                return instance.coded_frame(frame)
            form = instance.form()
            wanted = JPEG_2000_LOSSLESS if target.coding == "j2k" else HTJ2K_LOSSLESS_RPCL
            conversion = Conversion(given=instance.syntax.uid, form=form, wanted=wanted)
            conversion.require_possible()
            if instance.encapsulated:
                return self._convert(conversion, instance.coded_frame(frame))
            return conversion.of_cells(instance.native_frame(frame, form))

    def _sweep(self) -> None:
        """Remove the codestreams used longest ago where they take more room than is allowed."""
        files = [(path.stat().st_mtime, path.stat().st_size, path) for path in self._folder.glob("??/*")]
        excess = sum(size for _, size, _ in files) - self._limits.cache_bytes
        for _, size, path in sorted(files):
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= size


def _record(view: View, study: str | None, series: str | None, instance: str) -> InstanceRecord | None:
    if study is None:
        found = view.find(Query("instance", {"SOPInstanceUID": instance}, limit=1))
        if not found:
            return None
        study, series = found[0].study_instance_uid, found[0].series_instance_uid
    records = view.instances(study, series, instance)
    return records[0] if records else None
