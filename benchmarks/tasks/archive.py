"""Storing, finding and retrieving 500 CT instances: C-STORE, STOW-RS, C-FIND, QIDO-RS and WADO-RS."""

from __future__ import annotations

import atexit
import json
import shutil
import statistics
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.parser import BytesParser
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import numpy as np
from pydicom.dataset import Dataset

from benchmarks import Target
from benchmarks.instances import COUNT, SERIES, STUDY, files, pixels, sop_uid
from benchmarks.large_index import STUDIES, fill
from benchmarks.server_task import Measured, ServerTask, timed
from benchmarks.servers import ENVIRONMENT, MissingError, Orthanc, Pellucid, Server

BOTH = (Pellucid, Orthanc)
SEARCHES = (
    "PatientID=P77",
    "PatientName=abc*",
    "PatientName=*xyz*",
    "PatientName=xyzz&fuzzymatching=true",
    "ReferringPhysicianName=zzz*",
    "StudyDescription=zzzzz yyyyy",
    "StudyDescription=*qqq*",
    "AccessionNumber=A77",
    "PatientBirthDate=19910203",
    "StudyDate=20150101-20191231",
    "ModalitiesInStudy=MR",
)
_PLACE = f"/studies/{STUDY}/series/{SERIES}"
_unseen: dict[tuple[str, str], Iterator[int]] = {}


def tasks() -> list[ServerTask]:
    peer = Orthanc.name
    return [
        ServerTask("c_store", "C-STORE of 500 CT instances, one sender", store(1), empty, BOTH,
                   (Target("wall ratio", 1.0, peer), Target("cpu ratio", 1.0, peer)), 3),
        ServerTask("c_store_4", "C-STORE of 500 CT instances, four senders", store(4), empty, BOTH,
                   (Target("wall ratio", 0.8, peer), Target("cpu ratio", 1.0, peer)), 3),
        ServerTask("stow", "STOW-RS of 500 CT instances, 50 a request", stow, empty, BOTH,
                   (Target("wall ratio", 1.0, peer),), 3),
        ServerTask("c_find", "C-FIND of 500 images, association open", c_find, filled, BOTH,
                   (Target("wall ratio", 1 / 3, peer),)),
        ServerTask("qido_instances", "QIDO-RS of 500 instances", qido(f"{_PLACE}/instances", COUNT), filled, BOTH,
                   (Target("wall ratio", 1 / 8, peer),)),
        ServerTask("qido_study", "QIDO-RS of one study", qido("/studies?PatientID=B1", 1), filled, BOTH,
                   (Target("wall seconds", 0.005),)),
        ServerTask("search_100000", f"Search over {STUDIES:,} studies, the slowest of {len(SEARCHES)} kinds",
                   slowest_search, empty, (Large,), (Target("wall seconds", 0.05),), 1),
        ServerTask("metadata", "Metadata of 500 instances", qido(f"{_PLACE}/metadata", COUNT), filled, BOTH,
                   (Target("wall ratio", 1 / 8, peer),)),
        ServerTask("frame", "One uncompressed frame", frame, filled, BOTH,
                   (Target("wall seconds", 0.0038), Target("wall ratio", 1 / 15, peer))),
        ServerTask("htj2k_cold", "One frame as HTJ2K, not asked for before", htj2k_cold, filled, (Pellucid,),
                   (Target("wall seconds", 0.015),)),
        ServerTask("htj2k_cached", "One frame as HTJ2K, again", htj2k_cached, filled, (Pellucid,),
                   (Target("wall seconds", 0.003),)),
        ServerTask("rendered_cold", "One rendered JPEG, not asked for before", rendered_cold, filled, BOTH,
                   (Target("wall ratio", 1.0, peer),)),
        ServerTask("rendered_cached", "One rendered JPEG, again", rendered_cached, filled, BOTH,
                   (Target("wall seconds", 0.002),)),
    ]  # fmt: skip


def empty(kind: type[Server]) -> Server:
    """A server with nothing in it."""
    return kind()


@contextmanager
def filled(kind: type[Server]) -> Iterator[Server]:
    """The server with the 500 instances in it, the same for all tasks that read."""
    yield _filled(kind)


@cache
def _filled(kind: type[Server]) -> Server:
    server = kind()
    server.__enter__()
    atexit.register(server.__exit__)
    stow(server)
    return server


def store(senders: int) -> Any:
    """storescu, each sender with its share of the files."""
    program = shutil.which("storescu")

    def send(server: Server) -> None:
        if program is None:
            raise MissingError("dcmtk is not installed")
        call = [program, "-aet", "BENCH", "-aec", server.title, "127.0.0.1", str(server.dimse_port)]
        shares = [[str(file) for file in files()[number::senders]] for number in range(senders)]
        running = [subprocess.Popen([*call, *share], env=ENVIRONMENT) for share in shares]
        refused = sum(process.wait() != 0 for process in running)
        if refused:
            raise RuntimeError(f"{refused} senders failed")

    def run(server: Server) -> Measured:
        files()
        return timed(server, lambda: send(server), lambda _: {"instances stored": stored(server)})

    return run


def stow(server: Server) -> Measured:
    bodies = [_multipart(files()[start : start + 50]) for start in range(0, COUNT, 50)]
    connection = server.connect()

    def send() -> None:
        for body in bodies:
            headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=part'}
            connection.request("POST", f"{server.root}/studies", body, headers | {"Accept": "application/dicom+json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{server.name} answers {answer.status}")

    return timed(server, send, lambda _: {"instances stored": stored(server)})


def c_find(server: Server) -> Measured:
    """The time of the answers alone: the association is open, and the client does not look into them."""
    from pellucid.dimse.data_set import encode
    from pellucid.dimse.requestor import Peer, Wanted, associated, context_for
    from pellucid.dimse.services import MESSAGE_SYNTAXES, STUDY_ROOT_FIND

    given = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "QueryRetrieveLevel": "IMAGE"}
    keys = Dataset()
    for keyword in (*given, "SOPInstanceUID", "InstanceNumber", "Rows"):
        setattr(keys, keyword, given.get(keyword))
    peer = Peer(title=server.title, host="127.0.0.1", port=server.dimse_port, calling_title="BENCH")
    with associated(peer, [Wanted(abstract_syntax=STUDY_ROOT_FIND, transfer_syntaxes=MESSAGE_SYNTAXES)]) as opened:
        context = context_for(opened, STUDY_ROOT_FIND)
        command = {"CommandField": 0x20, "AffectedSOPClassUID": STUDY_ROOT_FIND, "Priority": 0}
        identifier = encode(keys.to_json_dict(), context.transfer_syntax)

        def find() -> int:
            answer, answers = opened.request(context, command, identifier), 0
            while answer.command["Status"] in (0xFF00, 0xFF01):
                answers += 1
                answer = opened.response(answer.command["MessageIDBeingRespondedTo"])
            return answers

        find()
        return timed(server, find, lambda answers: {"answers": float(answers)}, 10)


def qido(path: str, expected: int) -> Any:
    def run(server: Server) -> Measured:
        connection = server.connect()

        def ask() -> bytes:
            return _get(connection, server.root + path, "application/dicom+json")[1]

        def answers(body: bytes) -> Mapping[str, float]:
            return {"answers": float(len(json.loads(body)))}

        if answers(ask())["answers"] != expected:
            raise RuntimeError(f"{server.name} does not give the {expected} expected answers")
        return timed(server, ask, answers, 10)

    return run


class Large(Pellucid):
    """With an index of very many studies."""

    def __enter__(self) -> Self:
        fill(self.folder / "data")
        return super().__enter__()


def slowest_search(server: Server) -> Measured:
    """Each search with the first twenty matches; the one that takes longest."""
    connection = server.connect()
    taken = []
    for search in SEARCHES:
        path = f"{server.root}/studies?limit=20&{quote(search, safe='=&*')}"
        ask = partial(_get, connection, path, "application/dicom+json", (200, 204))
        ask()
        taken.append(timed(server, ask, lambda _: {}, 10))
    slowest = max(taken, key=lambda one: statistics.median(one.walls))
    slowest.figures["kinds of searches"] = float(len(SEARCHES))
    return slowest


def frame(server: Server) -> Measured:
    connection = server.connect()
    accept = 'multipart/related; type="application/octet-stream"'
    numbers = count(1)

    def ask() -> tuple[int, str, bytes]:
        number = next(numbers)
        return number, *_get(connection, f"{server.root}{_PLACE}/instances/{sop_uid(number)}/frames/1", accept)

    def difference(answer: tuple[int, str, bytes]) -> Mapping[str, float]:
        number, content_type, body = answer
        got = np.frombuffer(_only_part(content_type, body), np.int16).reshape(512, 512)
        return {"largest difference": float(np.abs(got - pixels(number).astype(np.int32)).max())}

    return timed(server, ask, difference, 50)


def htj2k_cold(server: Server) -> Measured:
    return _pictures(server, "frames/1", "image/jphc", 20, fresh=True)


def htj2k_cached(server: Server) -> Measured:
    return _pictures(server, "frames/1", "image/jphc", 50, fresh=False)


def rendered_cold(server: Server) -> Measured:
    return _pictures(server, "rendered", "image/jpeg", 20, fresh=True)


def rendered_cached(server: Server) -> Measured:
    return _pictures(server, "rendered", "image/jpeg", 50, fresh=False)


def _pictures(server: Server, what: str, media_type: str, repeats: int, *, fresh: bool) -> Measured:
    connection = server.connect()
    unseen = _unseen.setdefault((server.name, what), iter(range(100, COUNT)))
    next(unseen)

    def ask() -> tuple[int, bytes]:
        number = next(unseen) if fresh else 7
        return number, _get(connection, f"{server.root}{_PLACE}/instances/{sop_uid(number)}/{what}", media_type)[1]

    ask()
    return timed(server, ask, _picture_check(media_type), repeats)


def _picture_check(media_type: str) -> Any:
    """HTJ2K must hold the pixels exactly, a JPEG must be of the image's size."""
    import imagecodecs

    def check(answer: tuple[int, bytes]) -> Mapping[str, float]:
        number, body = answer
        if media_type == "image/jphc":
            return {"largest difference": float(np.abs(imagecodecs.htj2k_decode(body) - pixels(number)).max())}
        return {"rows": float(imagecodecs.jpeg_decode(body).shape[0])}

    return check


def stored(server: Server) -> float:
    """Instances of the series that the server finds."""
    _, body = _get(server.connect(), f"{server.root}{_PLACE}/instances?limit={COUNT}", "application/dicom+json")
    return float(len(json.loads(body)))


def _get(connection: Any, path: str, accept: str, expected: tuple[int, ...] = (200,)) -> tuple[str, bytes]:
    connection.request("GET", path, headers={"Accept": accept})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status not in expected:
        raise RuntimeError(f"GET {path}: {answer.status} {body[:200]!r}")
    return answer.headers["Content-Type"], body


def _only_part(content_type: str, body: bytes) -> bytes:
    boundary = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode()).get_boundary()
    assert boundary is not None
    return body.split(b"\r\n\r\n", 1)[1].rpartition(f"\r\n--{boundary}--".encode())[0]


def _multipart(chosen: list[Path]) -> bytes:
    parts = [b"--part\r\nContent-Type: application/dicom\r\n\r\n" + file.read_bytes() + b"\r\n" for file in chosen]
    return b"".join(parts) + b"--part--\r\n"
