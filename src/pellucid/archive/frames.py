"""Frames and instances of the archive in any transfer syntax; decoders run in processes of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pellucid.archive.derived_cache import DerivedCache
from pellucid.archive.objects import Objects
from pellucid.archive.records import InstanceRecord
from pellucid.codecs import Conversion, Instance, Options, PixelForm, choose_syntax, syntax_of, transcode_into
from pellucid.codecs.elements import PIXEL_DATA
from pellucid.codecs.pixel_form import Limits
from pellucid.codecs.sandbox import Sandbox
from pellucid.codecs.syntaxes import EXPLICIT
from pellucid.codecs.table import decoded_form
from pellucid.errors import UnsupportedError

_FORMS = 4096


class Frames:
    """The pixels of stored instances. `cache` keeps what was made; `sandbox` decodes.

    Raises `InvalidInputError` where an object's pixels are damaged and `UnsupportedError` with the reason where they
    cannot be had in a transfer syntax.
    """

    def __init__(self, objects: Objects, cache: DerivedCache, sandbox: Sandbox, limits: Limits | None = None) -> None:
        self._objects = objects
        self.cache = cache
        self.sandbox = sandbox
        self._limits = limits or Limits()
        self._form = lru_cache(maxsize=_FORMS)(self._read_form)

    def form(self, record: InstanceRecord) -> PixelForm:
        """What the pixels are, as stored."""
        return self._form(record.object_sha256)

    def coded(self, record: InstanceRecord, frame: int) -> bytes:
        """An encapsulated frame as it is stored, counted from 0."""
        with self._open(record) as instance:
            return instance.coded_frame(frame)

    def decoded(self, record: InstanceRecord, frame: int) -> tuple[NDArray[Any], str]:
        """Stored values [row, column(, sample)] and their photometric interpretation; of a transform, RGB."""
        with self._open(record) as instance:
            form = instance.form()
            after = decoded_form(record.transfer_syntax_uid, form)
            if instance.syntax.native:
                cells = instance.native_frame(frame, form)
                if cells.dtype.kind == "f":
                    return cells, after.photometric
            else:
                conversion = self._conversion(record, form, EXPLICIT)
                data = self.sandbox.convert(conversion, instance.coded_frame(frame))
                cells = np.frombuffer(data, after.dtype).reshape(after.shape)
        return after.values(cells), after.photometric

    def encoded(self, record: InstanceRecord, frame: int, syntax: str) -> bytes:
        """A frame in an encapsulated transfer syntax, without loss; kept for the next time."""
        if syntax == record.transfer_syntax_uid:
            return self.coded(record, frame)
        return self.kept(record, f"frame {frame} {syntax}", lambda: self._encode(record, frame, syntax))

    def kept(self, record: InstanceRecord, name: str, make: Callable[[], bytes], *, worth_s: float = 0.0) -> bytes:
        """What `make` made from the instance, now or at an earlier time; kept where that took `worth_s` seconds."""
        found = self.cache.get(record.object_sha256, name)
        if found is None:
            began = time.perf_counter()
            found = make()
            if time.perf_counter() - began >= worth_s:
                self._keep(record, name, found)
        return found

    def _keep(self, record: InstanceRecord, name: str, made: bytes) -> None:
        self.cache.put(record.object_sha256, name, made)
        if not self._objects.exists(record.object_sha256):  # deleted meanwhile
            self.cache.forget(record.object_sha256)

    def refusal(self, record: InstanceRecord, syntax: str) -> str | None:
        """Why the instance cannot be had in a transfer syntax without loss; None where it can."""
        if syntax == record.transfer_syntax_uid:
            return None
        if not syntax_of(record.transfer_syntax_uid).native or not syntax_of(syntax).native:
            try:
                self._conversion(record, self.form(record), syntax).require_possible()
            except UnsupportedError as error:
                return str(error)
        return None

    def choose(self, record: InstanceRecord, accepted: Iterable[str]) -> str | None:
        """The best of the accepted transfer syntaxes that this instance can be given in without loss."""
        left = set(accepted)
        while (chosen := choose_syntax(record.transfer_syntax_uid, left)) is not None:
            if self.refusal(record, chosen) is None:
                return chosen
            left.remove(chosen)
        return None

    def write(self, target: BinaryIO, record: InstanceRecord, syntax: str) -> None:
        """The whole instance in a transfer syntax, without loss, a few frames in memory at a time."""
        options = Options(limits=self._limits, converter=self.sandbox.convert, parallel=self.sandbox.workers)
        with self._objects.open(record.object_sha256) as file:
            transcode_into(target, file, syntax, options)

    def _encode(self, record: InstanceRecord, frame: int, syntax: str) -> bytes:
        with self._open(record) as instance:
            conversion = self._conversion(record, self.form(record), syntax)
            conversion.require_possible()
            if instance.syntax.native:
                return conversion.of_cells(instance.native_frame(frame, conversion.form))
            return self.sandbox.convert(conversion, instance.coded_frame(frame))

    def _conversion(self, record: InstanceRecord, form: PixelForm, syntax: str) -> Conversion:
        return Conversion(given=record.transfer_syntax_uid, form=form, wanted=syntax, limits=self._limits)

    def _open(self, record: InstanceRecord) -> Instance:
        return Instance.open(self._objects.open(record.object_sha256), self._limits)

    def _read_form(self, object_sha256: str) -> PixelForm:
        with Instance.open(self._objects.open(object_sha256), self._limits) as instance:
            if instance.pixel is None or instance.pixel.tag != PIXEL_DATA:
                raise UnsupportedError("has no pixels that a codec could hold", field="PixelData")
            return instance.form()
