"""Pixels after transcoding, and after JPIP, as other programs' decoders see them."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import jpip
from pellucid.archive import Archive
from pellucid.codecs import named, transcode
from validation import NotAvailableError, check

SIDE, REGION = 1024, (400, 300, 256, 256)
SYNTAXES = {
    "rle": ("dcmdrle",),
    "jpeg-lossless": ("dcmdjpeg",),
    "jpeg-lossless-sv1": ("dcmdjpeg",),
    "jpeg-ls": ("dcmdjpls",),
    "jpeg2000": ("gdcmconv", "--raw"),
    "deflated": ("dcmconv", "+te"),
    "big-endian": ("dcmconv", "+te"),
    "implicit": ("dcmconv", "+te"),
}
"""Who decodes what is written here."""


@check(
    "8, 12, 16 signed bits and colour in 8 lossless transfer syntaxes, decoded by DCMTK and GDCM: largest difference",
    against="peer",
    high=0,
    reason="lossless is every pixel",
)
def lossless_difference() -> float:
    """Largest difference of any stored value."""
    from tests.codecs.test_peers import FORMS, valid
    from tests.codecs.test_transcode import values_of

    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for made in FORMS.values():
            for short, command in SYNTAXES.items():
                plain = _by_peer(transcode(valid(made), named(short)), command, Path(folder))
                worst = max(worst, float(np.abs(values_of(plain).astype(float) - made.values).max()))
    return worst


def _by_peer(data: bytes, command: tuple[str, ...], folder: Path) -> bytes:
    program = shutil.which(command[0])
    if program is None:
        raise NotAvailableError(f"program {command[0]} is not installed (Debian packages dcmtk, libgdcm-tools)")
    source, target = folder / "in.dcm", folder / "out.dcm"
    source.write_bytes(data)
    subprocess.run([program, *command[1:], str(source), str(target)], check=True, capture_output=True)  # noqa: S603
    return target.read_bytes()


def _picture() -> NDArray[np.uint16]:
    """Smooth structures, edges and noise, 14 bits."""
    y, x = np.mgrid[:SIDE, :SIDE]
    smooth = 6000 + 4000 * np.sin(x / 90) * np.cos(y / 70) + 3000 * ((x // 128 + y // 128) % 2)
    return np.clip(smooth + np.random.default_rng(2).normal(0, 60, (SIDE, SIDE)), 0, 16383).astype(np.uint16)


@contextmanager
def _client(path: str) -> Iterator[tuple[Any, NDArray[np.uint16]]]:
    """A JPIP client of a stored picture."""
    from starlette.applications import Starlette
    from starlette.testclient import TestClient
    from tests.archive.samples import dataset, file_bytes, uid

    picture = _picture()
    with tempfile.TemporaryDirectory() as folder, Archive(Path(folder)) as archive:
        archive.store(file_bytes(dataset(pixels=picture)))
        app, address = Starlette(routes=jpip.routes(archive)), f"http://localhost{path}?target=instances/{uid(1, 1, 1)}"
        with TestClient(app, base_url="http://localhost") as http, jpip.Client(address, http=http) as client:
            yield client, picture


_PATHS = ("/jpip", "/jpip/j2k")
"""HTJ2K, and JPEG 2000 of the first part."""


@check(
    "Picture of 1024² and 14 bits by JPIP, as HTJ2K and JPEG 2000, put together and decoded: largest difference",
    against="known truth",
    high=0,
    reason="OpenJPEG, and for HTJ2K OpenJPH too, decode the codestream that the client put together",
)
def jpip_difference() -> float:
    """Largest difference of any pixel, by any decoder."""
    import imagecodecs

    worst = 0.0
    for path in _PATHS:
        with _client(path) as (client, picture):
            assert client.fetch().complete
            stream = client.codestream()
            decoders = [imagecodecs.jpeg2k_decode, imagecodecs.htj2k_decode][: 2 - _PATHS.index(path)]
            for decode in decoders:
                worst = max(worst, float(np.abs(decode(stream).astype(float) - picture).max()))
    return worst


@check(
    "A region of 256² of it, fetched alone: largest difference inside",
    against="known truth",
    high=0,
    reason="the margin of the wavelets comes with it",
)
def jpip_region_difference() -> float:
    """Largest difference of any pixel of the region."""
    worst, (column, row, columns, rows) = 0.0, REGION
    inside = slice(row, row + rows), slice(column, column + columns)
    for path in _PATHS:
        with _client(path) as (client, picture):
            assert client.fetch(region=REGION).complete
            worst = max(worst, float(np.abs(client.decode()[inside].astype(float) - picture[inside]).max()))
    return worst
