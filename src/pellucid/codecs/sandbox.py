"""Native decoders in processes of their own: one that crashes, hangs or wants too much memory is replaced.

Data from outside reaches a native decoder only there (many of their faults can be used to take a process over).
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import IO, Any, Self

from pellucid.codecs.conversion import Conversion, NotLosslessError
from pellucid.errors import InvalidInputError, PellucidError, UnsupportedError

_START_SECONDS = 60
_LONGEST_ANSWER = 4096
_KEPT = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TMPDIR")
"""What a worker sees of the environment: settings hold passwords."""


class DecodersBusyError(PellucidError):
    """All decoders worked on something else for too long."""


@dataclass(frozen=True, kw_only=True)
class WorkerLimits:
    """Of one worker: memory beyond its libraries' [byte], and how long one frame may take.

    That is `seconds` [s], and the time that the slowest codec on a slow, busy machine takes for its size [byte/s].
    """

    memory_bytes: int = 2 << 30
    seconds: float = 3
    bytes_per_second: float = 2e6
    wait_seconds: float = 60.0


class Sandbox:
    """A pool of decoder processes, started when they are first needed; safe for use from many threads."""

    def __init__(self, workers: int | None = None, limits: WorkerLimits | None = None) -> None:
        self.workers = workers or max(1, min(4, os.cpu_count() or 1))
        self._limits = limits or WorkerLimits()
        self._places = threading.Semaphore(self.workers)
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        self._closed = False
        self._finalizer = weakref.finalize(self, _stop_all, self._idle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the processes; those at work stop when they have answered."""
        self._closed = True
        self._finalizer()

    def warm(self) -> None:
        """Start one process before it is needed, which takes half a second."""
        worker = self._take()
        self._give_back(worker)

    def convert(self, conversion: Conversion, coded: bytes) -> bytes:
        """`Conversion.of_coded` in another process.

        Raises what it raises, `InvalidInputError` where the decoder crashed or took too long, and
        `DecodersBusyError` where no process became free.
        """
        if conversion.copies:
            return coded
        conversion.form.require_ratio(len(coded), conversion.limits)
        worker = self._take()
        try:
            seconds = self._limits.seconds + conversion.form.cell_bytes / self._limits.bytes_per_second
            result = worker.convert(conversion, coded, seconds)
        except _WorkerLostError as error:
            worker.stop()
            self._places.release()
            raise InvalidInputError(f"cannot be decoded ({error})", field="PixelData") from None
        except BaseException:
            self._give_back(worker)
            raise
        self._give_back(worker)
        return result

    def _take(self) -> _Worker:
        if not self._places.acquire(timeout=self._limits.wait_seconds):
            raise DecodersBusyError(f"all {self.workers} decoders are busy; try again")
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.alive:
                    return worker
                worker.stop()
        try:
            return _Worker(self._limits.memory_bytes)
        except BaseException:
            self._places.release()
            raise

    def _give_back(self, worker: _Worker) -> None:
        with self._lock:
            if self._closed or not worker.alive:
                worker.stop()
            else:
                self._idle.append(worker)
        self._places.release()


@lru_cache(maxsize=1)
def _shared() -> Sandbox:
    return Sandbox()


def in_sandbox(conversion: Conversion, coded: bytes) -> bytes:
    """The converter that everyone without a pool of their own shares."""
    return _shared().convert(conversion, coded)


class _WorkerLostError(Exception):
    """A worker does not answer any more."""


class _Worker:
    """One process, a pipe to and from it, and the file that frames lie in."""

    def __init__(self, memory_bytes: int) -> None:
        self._shared = _shared_file()
        descriptor = self._shared.fileno()
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(  # noqa: S603 (this interpreter, our module)
            [sys.executable, "-P", "-m", "pellucid.codecs.worker", str(descriptor), str(memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            pass_fds=(descriptor,),
            env=environment,
            cwd=tempfile.gettempdir(),
        )
        self._buffer = b""
        try:
            self._line(_START_SECONDS)
        except _WorkerLostError as error:
            self.stop()
            raise DecodersBusyError(f"the decoder process does not start ({error})") from None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def convert(self, conversion: Conversion, coded: bytes, seconds: float) -> bytes:
        """The frame; raises `_WorkerLostError` where the process must be replaced."""
        self._put(coded)
        request = {
            "given": conversion.given, "wanted": conversion.wanted, "form": asdict(conversion.form),
            "lossy": asdict(conversion.lossy) if conversion.lossy else None, "limits": asdict(conversion.limits),
            "length": len(coded), "seconds": seconds,
        }  # fmt: skip
        try:
            assert self._process.stdin
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
        except OSError:
            raise _WorkerLostError(self._end()) from None
        try:
            answer: dict[str, Any] = json.loads(self._line(seconds))
            if "error" in answer:
                raise _error(int(answer["kind"]), str(answer["error"]))
            return self._result(int(answer["length"]))
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, PellucidError):
                raise
            raise _WorkerLostError("the decoder answered nonsense") from None

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()
        self._process.wait()
        self._shared.close()

    def _put(self, data: bytes) -> None:
        descriptor, position, view = self._shared.fileno(), 0, memoryview(data)
        os.ftruncate(descriptor, max(1, len(data)))
        while position < len(data):
            position += os.pwrite(descriptor, view[position : position + (1 << 30)], position)

    def _result(self, length: int) -> bytes:
        """What the worker wrote, read and never mapped: it could cut the file off while it is looked at."""
        parts, position = [], 0
        while position < length:
            part = os.pread(self._shared.fileno(), min(length - position, 1 << 30), position)
            if not part:
                raise _WorkerLostError("the decoder answered less than it said")
            parts.append(part)
            position += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _line(self, seconds: float) -> bytes:
        assert self._process.stdout
        descriptor, until = self._process.stdout.fileno(), time.monotonic() + seconds
        while b"\n" not in self._buffer:
            left = until - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                raise _WorkerLostError(f"the decoder took longer than {seconds:.3g} s")
            part = os.read(descriptor, _LONGEST_ANSWER)
            if not part or len(self._buffer) > _LONGEST_ANSWER:
                raise _WorkerLostError(self._end())
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _end(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        code = self._process.returncode
        return f"the decoder crashed with signal {-code}" if code and code < 0 else "the decoder process ended"


def _error(kind: int, message: str) -> PellucidError:
    if kind == 0:
        return UnsupportedError(message, field="PixelData")
    return InvalidInputError(message, field="PixelData") if kind == 1 else NotLosslessError(message)


def _shared_file() -> IO[bytes]:
    """A file without a name; in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("frames"), "r+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def _stop_all(idle: list[_Worker]) -> None:
    while idle:
        idle.pop().stop()
