"""What can be asked for: frames of stored instances, as codestreams in precincts that are made once and kept."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from pellucid.archive import InstanceRecord, Query, View
from pellucid.codecs import NotLosslessError
from pellucid.codecs.sandbox import DecodersBusyError
from pellucid.codecs.syntaxes import HTJ2K_LOSSLESS_RPCL, JPEG_2000_LOSSLESS
from pellucid.errors import InvalidInputError
from pellucid.jpip.boxes import codestream_of
from pellucid.jpip.index import Index, packed, unpacked
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
_SYNTAXES = {"j2k": JPEG_2000_LOSSLESS, "htj2k": HTJ2K_LOSSLESS_RPCL}


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
    """Finds targets. The archive keeps their codestreams; those in use stay in memory, up to a limit."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._opened: OrderedDict[str, Index] = OrderedDict()
        self._lock = Lock()
        self._making = [Lock() for _ in range(16)]

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
            found = _indexed(view, target, target.frames[stream])
        with self._lock:
            self._opened[key] = found
            while sum(len(one.data) for one in self._opened.values()) > self._limits.opened_bytes:
                if len(self._opened) == 1:
                    break
                self._opened.popitem(last=False)
        return found


def _indexed(view: View, target: Target, frame: int) -> Index:
    name = f"frame {frame} JPIP {_VERSION} {target.coding}"
    try:
        return unpacked(view.frames.kept(target.record, name, lambda: _made(view, target, frame)))
    except DecodersBusyError as error:
        raise RequestError(503, str(error)) from error
    except (InvalidInputError, NotLosslessError) as error:
        raise RequestError(406, f"frame {frame + 1} cannot be delivered: {error}") from error


def _made(view: View, target: Target, frame: int) -> bytes:
    """The frame as it is stored, where it is coded as wanted, else encoded now; in precincts."""
    record = target.record
    if _STORED.get(record.transfer_syntax_uid) == target.coding:
        data = view.frames.coded(record, frame)
    else:
        data = view.frames.encoded(record, frame, _SYNTAXES[target.coding])
    return packed(partition(codestream_of(data)))


def _record(view: View, study: str | None, series: str | None, instance: str) -> InstanceRecord | None:
    if study is None:
        found = view.find(Query("instance", {"SOPInstanceUID": instance}, limit=1))
        if not found:
            return None
        study, series = found[0].study_instance_uid, found[0].series_instance_uid
    records = view.instances(study, series, instance)
    return records[0] if records else None
