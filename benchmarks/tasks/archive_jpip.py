"""JPIP: a radiograph of 4096², by region and resolution: how many of its bytes, how long, and whether it is exact."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import httpx
import numpy as np

from benchmarks import Array, Target, Task
from benchmarks.instances import instance, sop_uid
from benchmarks.server_task import Measured, ServerTask, timed
from benchmarks.servers import Pellucid, Server

SIZE = 4096
REGION = (1900, 1700, 256, 256)
CODINGS = {"htj2k": "HTJ2K", "j2k": "JPEG 2000"}
_FORM = "multipart/related; type=application/dicom; boundary=part"


@cache
def radiograph() -> Array:
    """Smooth absorption with edges, and the noise of 14 bits' worth of photons."""
    row, column = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j].astype(np.float32)
    image = 12_000 * np.exp(-2.5 * np.sqrt(np.clip(1 - (row / 0.9) ** 2 - (column / 0.6) ** 2, 0, None)))
    for place in np.linspace(-0.7, 0.7, 12):
        rib = np.abs(row - place - 0.3 * column**2) < 0.02
        image *= np.where(rib, 0.8, 1.0).astype(np.float32)
    noise = np.random.default_rng(1).normal(size=image.shape).astype(np.float32) * np.sqrt(image)
    return np.clip(image + noise, 0, 16_383).astype(np.uint16)


@contextmanager
def started(kind: type[Server]) -> Iterator[Server]:
    """The server with the radiograph in it."""
    made = instance(1)
    made.Rows = made.Columns = SIZE
    made.BitsStored, made.HighBit, made.PixelRepresentation = 14, 13, 0
    made.PixelData = radiograph().tobytes()
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    body = b"--part\r\nContent-Type: application/dicom\r\n\r\n" + file.getvalue() + b"\r\n--part--\r\n"
    with kind() as server:
        url = f"http://127.0.0.1:{server.port}{server.root}/studies"
        httpx.post(url, content=body, headers={"content-type": _FORM}, timeout=300).raise_for_status()
        yield server


def first_picture(server: Server, coding: str) -> Measured:
    """An eighth of the size: 512²; right where it is the mean of the pixels it stands for, but for the wavelet."""

    def check(client: Any) -> dict[str, float]:
        small = client.decode(reduction=3).astype(np.float64)
        means = radiograph().reshape(SIZE // 8, 8, SIZE // 8, 8).mean(axis=(1, 3))
        return _share(server, coding, client) | {
            "relative RMS difference": float(np.std(small - means) / np.std(means))
        }

    return _measured(server, coding, lambda client: client.fetch(reduction=3), check)


def region(server: Server, coding: str) -> Measured:
    """A region of 256² as it is."""
    left, top, width, height = REGION
    inside = np.s_[top : top + height, left : left + width]

    def check(client: Any) -> dict[str, float]:
        got = client.decode()[inside].astype(np.int64)
        return _share(server, coding, client) | {"largest difference": float(np.abs(got - radiograph()[inside]).max())}

    return _measured(server, coding, lambda client: client.fetch(REGION), check)


def whole(server: Server, coding: str) -> Measured:
    """All of it, beside the codestream that the server has."""

    def check(client: Any) -> dict[str, float]:
        same = client.codestream() == _codestream(server, coding)
        differs = client.decode().astype(np.int64) - radiograph()
        return _share(server, coding, client) | {"largest difference": float(np.abs(differs).max() if same else np.inf)}

    return _measured(server, coding, lambda client: client.fetch(), check)


def _measured(
    server: Server, coding: str, fetch: Callable[[Any], object], check: Callable[[Any], dict[str, float]]
) -> Measured:
    """A new client every time; the codestream has been made before."""
    from pellucid.jpip import Client

    _codestream(server, coding)
    with httpx.Client(timeout=300) as http:

        def ask() -> Any:
            client = Client(_address(server, coding), http=http)
            fetch(client)
            return client

        return timed(server, ask, check, 5)


def _share(server: Server, coding: str, client: Any) -> dict[str, float]:
    return {"share of the bytes": client.received / len(_codestream(server, coding))}


def _address(server: Server, coding: str) -> str:
    return f"http://127.0.0.1:{server.port}/jpip/{coding}?target=instances/{sop_uid(1)}"


_codestreams: dict[tuple[int, str], bytes] = {}


def _codestream(server: Server, coding: str) -> bytes:
    key = (server.port, coding)
    if key not in _codestreams:
        answer = httpx.get(f"{_address(server, coding)}&type=raw", timeout=300).raise_for_status()
        _codestreams[key] = answer.content
    return _codestreams[key]


def index() -> Array:
    """Every packet of the radiograph as an encoder writes it: one precinct for each resolution."""
    from pellucid.jpip.codestream import Codestream

    (tile,) = Codestream(_encoded()).tiles()
    return np.array([sum(tile.packet_lengths)])


@cache
def _encoded() -> bytes:
    import imagecodecs

    return bytes(imagecodecs.jpeg2k_encode(radiograph(), level=0, reversible=True, codecformat="j2k"))


def tasks() -> list[Task | ServerTask]:
    """Bytes are the targets; the seconds stand beside them."""
    share, exact = partial(Target, "accuracy"), Target("second accuracy", 0.0)
    made: list[Task | ServerTask] = [
        Task(
            name="index_4096",
            title="JPIP: index of a JPEG 2000 radiograph of 4096²",
            run=index,
            targets=(Target("cpu seconds", 1.0),),
            repeats=3,
        )
    ]
    for coding, title in CODINGS.items():
        for name, text, measure, targets in (
            ("first", "first picture (512²) of a radiograph of 4096²", first_picture, (share(0.03),)),
            ("region", "region of 256² of it", region, (share(0.10), exact)),
            ("whole", "all of it", whole, (share(1.01), exact)),
        ):
            made.append(
                ServerTask(
                    name=f"{name}_{coding}",
                    title=f"JPIP, {title}: {text}",
                    measure=partial(measure, coding=coding),
                    started=started,
                    servers=(Pellucid,),
                    targets=targets,
                    rounds=1,
                )
            )
    return made
