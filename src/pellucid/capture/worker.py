"""A capture in a process of its own, with limits: for video that comes from outside.

`python -m pellucid.capture.worker` reads one line of JSON (source, context, settings, folder) and answers with lines
of JSON: progress, then the files' names or an error. The parent ends it to cancel.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pellucid.capture.capture import capture
from pellucid.capture.context import CaptureContext
from pellucid.capture.settings import CaptureSettings
from pellucid.errors import InvalidInputError
from pellucid.progress import Progress, no_progress

_KEPT = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "SYSTEMROOT", "TMPDIR")
"""What the process sees of the environment: settings hold passwords."""

_COMMAND = ("-m", "pellucid.capture.worker")
_POLL_SECONDS = 0.5
_DIED = "cannot be decoded: the decoder crashed, or needed more memory or time than it may have"


@dataclass(frozen=True, kw_only=True)
class WorkerLimits:
    """Memory beyond that of the libraries [byte], processor time [s]."""

    memory_bytes: int = 3 << 30
    cpu_seconds: int = 3600


def capture_apart(
    source: Path,
    context: CaptureContext,
    settings: CaptureSettings,
    folder: Path,
    *,
    limits: WorkerLimits | None = None,
    progress: Progress = no_progress,
) -> list[Path]:
    """As `capture`, of a file, in another process that may take only so much; cancelling ends it."""
    bounds = limits or WorkerLimits()
    request = {
        "source": str(source),
        "context": context.to_json(),
        "settings": settings.to_json(),
        "folder": str(folder),
        "memory_bytes": bounds.memory_bytes,
        "cpu_seconds": bounds.cpu_seconds,
    }
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    process = subprocess.Popen(  # noqa: S603 (this program's own module)
        [sys.executable, *_COMMAND],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        return _followed(process, json.dumps(request), folder, progress)
    finally:
        process.kill()
        process.communicate()


def _followed(process: subprocess.Popen[bytes], request: str, folder: Path, progress: Progress) -> list[Path]:
    assert process.stdin
    assert process.stdout
    with suppress(BrokenPipeError):  # it ended before it read
        process.stdin.write(request.encode() + b"\n")
        process.stdin.flush()
    said: dict[str, Any] = {"fraction": 0.0, "message": ""}
    for line in _lines(process.stdout):
        # Without a line it is only asked whether to go on.
        said = json.loads(line) if line else said
        if "files" in said:
            return [folder / Path(name).name for name in said["files"]]
        if "error" in said:
            raise InvalidInputError(said["error"])
        progress(float(said["fraction"]), str(said["message"])[:200])
    raise InvalidInputError(_DIED, field="video")


def _lines(pipe: IO[bytes]) -> Iterator[bytes]:
    """Lines as they come; an empty one where none came for a moment."""
    rest = b""
    while True:
        if not select.select([pipe], [], [], _POLL_SECONDS)[0]:
            yield b""
            continue
        piece = os.read(pipe.fileno(), 1 << 16)
        if not piece:
            return
        *whole, rest = (rest + piece).split(b"\n")
        yield from filter(None, whole)


def main() -> None:
    """Serve one request."""
    request = json.loads(sys.stdin.readline())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)

    def answer(**said: Any) -> None:
        answers.write(json.dumps(said) + "\n")
        answers.flush()

    def progress(fraction: float, message: str = "", preview: Any = None) -> None:  # noqa: ARG001
        answer(fraction=fraction, message=message)

    import av  # noqa: F401 (loaded before the limits: they are beyond what the libraries have)

    _limit(request["memory_bytes"], request["cpu_seconds"])
    try:
        files = capture(
            request["source"],
            CaptureContext(**request["context"]),
            CaptureSettings.of_json(request["settings"]),
            Path(request["folder"]),
            progress=progress,
        )
    except InvalidInputError as error:
        answer(error=str(error))
    except MemoryError:
        answer(error="video: needs more memory than it may have")
    else:
        answer(files=[file.name for file in files])


def _limit(memory: int, seconds: int) -> None:
    try:
        import resource
    except ImportError:  # not on this system
        return
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 (one line of the kernel's)
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
