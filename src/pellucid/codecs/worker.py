"""A process that decodes frames for another one, and nothing else: `python -m pellucid.codecs.worker FILE MEMORY`.

A request is one line of JSON; its codestream, and then its answer, lie in the shared file with descriptor FILE.
The answer is one line of JSON too: the parent never unpickles what a decoder may have written.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, BinaryIO

from pellucid.codecs.conversion import Conversion, NotLosslessError
from pellucid.codecs.frame_codec import Lossy
from pellucid.codecs.pixel_form import Limits, PixelForm
from pellucid.errors import InvalidInputError, PellucidError, UnsupportedError

_SPARE_SECONDS = 2
_SPARE_FILES = 64
_KINDS = (UnsupportedError, InvalidInputError, NotLosslessError)


def main() -> None:
    """Answer requests until the parent closes the pipe."""
    shared, memory = int(sys.argv[1]), int(sys.argv[2])
    requests, answers = _private_pipes()
    _load_codecs()
    _limit_memory(memory)
    answers.write(b"\n")  # ready
    answers.flush()
    while line := requests.readline():
        answers.write(json.dumps(_answer(shared, json.loads(line))).encode() + b"\n")
        answers.flush()


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the parent, out of reach of what libraries print."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    return requests, answers


def _load_codecs() -> None:
    import imagecodecs
    import jpeg_ls  # noqa: F401
    import openjpeg.utils  # noqa: F401

    for name in ("jpeg8", "ljpeg", "jpegls", "jpeg2k", "htj2k", "packbits"):
        getattr(imagecodecs, f"{name}_decode")


def _limit_memory(allowance: int) -> None:
    """What it may take beyond what the libraries have."""
    try:
        import resource
    except ImportError:  # not on this system
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_SPARE_FILES, _SPARE_FILES))
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 (one line of the kernel's)
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + allowance, used + allowance))


def _limit_time(seconds: float) -> None:
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (int(spent + seconds) + _SPARE_SECONDS, resource.RLIM_INFINITY))


def _answer(shared: int, request: dict[str, Any]) -> dict[str, Any]:
    _limit_time(request["seconds"])
    try:
        result = _conversion(request).of_coded(os.pread(shared, request["length"], 0))
        _write(shared, result)
    except MemoryError:
        return {"error": "needs more memory than decoders may have", "kind": 1}
    except PellucidError as error:
        message = str(error).removeprefix(f"{getattr(error, 'field', None)}: ")
        kind = next((n for n, known in enumerate(_KINDS) if isinstance(error, known)), 1)
        return {"error": message[:500], "kind": kind}
    return {"length": len(result)}


def _write(shared: int, data: bytes) -> None:
    """A file takes 2 GiB at a time at most."""
    os.ftruncate(shared, max(len(data), 1))
    view, position = memoryview(data), 0
    while position < len(data):
        position += os.pwrite(shared, view[position : position + (1 << 30)], position)


def _conversion(request: dict[str, Any]) -> Conversion:
    lossy = request["lossy"]
    return Conversion(
        given=request["given"],
        form=PixelForm(**request["form"]),
        wanted=request["wanted"],
        lossy=Lossy(**lossy) if lossy else None,
        limits=Limits(**request["limits"]),
    )


if __name__ == "__main__":
    main()
