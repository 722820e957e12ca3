"""Requests that are malformed, too large or not allowed: the right status and one line, at a bounded cost."""

import time
from urllib.parse import urlencode

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tests.archive.samples import dataset, file_bytes
from tests.jpip.conftest import TARGET
from tests.jpip.encoders import j2k, picture
from tests.properties import examples

from pellucid.access import LOCAL, Caller, Permission
from pellucid.archive import NOTHING, Archive
from pellucid.jpip import Client, Limits, routes
from pellucid.jpip.messages import Reason, read_messages

ARRAY = picture(300, 400)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Archive(tmp_path_factory.mktemp("server") / "archive") as opened:
        opened.store(file_bytes(dataset(pixels=ARRAY)))
        with TestClient(Starlette(routes=routes(opened))) as client:
            yield client


MALFORMED = {
    "fsiz": [
        "",
        "1",
        "1,2,3",
        "-1,2",
        "a,b",
        "0,0",
        "1,1,sideways",
        "1,2,round-up,3",
        "9" * 30 + ",1",
        "1.5,2",
        "１,2",
    ],
    "roff": ["1", "1,2,3", "x,1", "-1,0"],
    "rsiz": ["1", "1,2,3", "x,1", "4294967296,1"],
    "comps": ["", "x", "1-", "2-1", "0-99999999", "3"],
    "stream": ["", "a", "0-1000", "3-1"],
    "layers": ["", "-1", "many"],
    "quality": ["101", "-1", "high"],
    "len": ["", "-1", "1e9", "9" * 40],
    "align": ["maybe"],
    "wait": ["maybe"],
    "qid": ["-1", "x"],
    "type": ["jpp-stream;ptype=odd"],
    "model": [
        "Q1",
        "P",
        "P1:",
        "P1:L",
        "[",
        "[x],P1",
        "t",
        "t0x",
        "Hm:",
        "P99999999999999999999",
        "P77777",
        "H9",
        "--P1",
    ],
    "need": ["Q", "-"],
    "target": ["", "a b"],
    "cid": [""],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in MALFORMED for value in MALFORMED[field]])
def test_malformed_fields_are_refused_by_name(server, field, value):
    fields = {"target": TARGET, "fsiz": "400,300"} | {field: value}
    answer = server.get(f"/jpip?{urlencode(fields)}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["detail"].startswith(field)
    assert "\n" not in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ("", 400, "target"),
        ("fsiz=1,1", 400, "target"),
        ("target=nowhere", 404, "does not exist"),
        ("target=instances/1.2.3", 404, "no such instance"),
        ("target=../../etc/passwd", 404, "does not exist"),
        (f"target={TARGET}/frames/0", 404, "does not exist"),
        (f"target={TARGET}/frames/9", 404, "has 1"),
        (f"target={TARGET}&stream=9", 404, "codestream 9"),
        (f"target={TARGET}&target={TARGET}", 400, "twice"),
        (f"target={TARGET}&rsiz=1,1", 400, "needs fsiz"),
        (f"target={TARGET}&cid=unknown", 404, "channel"),
        (f"target={TARGET}&cclose=*", 400, "cid"),
        (f"target={TARGET}&type=image/png", 501, "returns"),
        (f"target={TARGET}&roi=liver", 501, "regions"),
        (f"target={TARGET}&context=mj2t%3C1%3E", 501, "contexts"),
        (f"target={TARGET}&need=P1:5", 501, "need"),
        (f"target={TARGET}&" + "&".join(f"x{n}=1" for n in range(99)), 400, "fields"),
    ],
)
def test_requests_that_cannot_be_answered(server, query, status, detail):
    answer = server.get(f"/jpip?{query}")
    assert answer.status_code == status, answer.text
    assert detail in answer.json()["detail"]


def test_fields_that_are_not_known_are_passed_over(server):
    """As C.1.2 asks of servers."""
    fields = {"target": TARGET, "fsiz": "50,38", "metareq": "[*]", "srate": "5", "pref": "color", "wait": "no"}
    assert server.get("/jpip", params=fields).content[-2] == Reason.WINDOW_DONE


def test_requests_that_are_too_large(stored, archive):
    stored(ARRAY)
    with TestClient(Starlette(routes=routes(archive, limits=Limits(query_bytes=1000)))) as http:
        assert http.get("/jpip?target=" + "x" * 2000).status_code == 414
        assert http.post("/jpip", content=b"model=" + b"P1," * 999).status_code == 413


def test_models_that_cost_too_much(stored, http):
    stored(ARRAY)
    start = time.process_time()
    answer = http.post("/jpip", data={"target": TARGET, "model": "t*," * 20_000 + "t*"})
    assert answer.status_code in (200, 400)
    assert time.process_time() - start < 10
    answer = http.post("/jpip", data={"target": TARGET, "model": "t*," * 70_000})
    assert answer.status_code == 400


def test_responses_are_bounded_and_clients_go_on(stored, archive, connect):
    stored(ARRAY)
    service = Starlette(routes=routes(archive, limits=Limits(response_bytes=5000)))
    with TestClient(service, base_url="http://localhost") as http:
        answer = http.get("/jpip", params={"target": TARGET, "fsiz": "400,300"})
        assert len(answer.content) <= 5003
        assert answer.content[-2] == Reason.RESPONSE_LIMIT
        for session in (False, True):
            client = Client(f"http://localhost/jpip?target={TARGET}", http=http, session=session)
            assert client.fetch().complete
            np.testing.assert_array_equal(client.decode(), ARRAY)


def test_channels_are_bounded(stored, archive):
    stored(ARRAY)
    limits = Limits(channels=3, channels_of_caller=2, idle_seconds=0.2)
    with TestClient(Starlette(routes=routes(archive, limits=limits))) as http:

        def new():
            headers = http.get("/jpip", params={"target": TARGET, "cnew": "http"}).headers
            return headers["jpip-cnew"].split(",")[0].removeprefix("cid=")

        def is_open(cid):
            return http.get("/jpip", params={"cid": cid}).status_code == 200

        first, second = new(), new()
        assert is_open(first)
        third = new()
        assert [is_open(cid) for cid in (first, second, third)] == [True, False, True]
        time.sleep(0.3)
        assert not is_open(third)


def as_caller(service, caller):
    async def wrapped(scope, receive, send):
        scope["pellucid.caller"] = caller
        await service(scope, receive, send)

    return TestClient(wrapped)


def test_callers_see_what_they_may_see(stored, archive):
    stored(ARRAY)
    seen = []
    service = Starlette(routes=routes(archive, audit=seen.append))
    alice = Caller(name="alice", kind="account", permissions=frozenset({Permission.READ}), visible=LOCAL.visible)
    blind = Caller(name="bob", kind="account", permissions=frozenset({Permission.READ}), visible=NOTHING)
    unable = Caller(name="eve", kind="account", permissions=frozenset({Permission.FIND}), visible=LOCAL.visible)
    headers = as_caller(service, alice).get("/jpip", params={"target": TARGET, "cnew": "http", "tid": "0"}).headers
    cid = headers["jpip-cnew"].split(",")[0].removeprefix("cid=")
    assert [event.caller.name for event in seen] == ["alice"]
    assert as_caller(service, alice).get("/jpip", params={"cid": cid}).status_code == 200
    assert len(seen) == 1
    assert as_caller(service, blind).get("/jpip", params={"target": TARGET}).status_code == 404
    assert as_caller(service, blind).get("/jpip", params={"tid": headers["jpip-tid"]}).status_code == 404
    assert as_caller(service, blind).get("/jpip", params={"cid": cid}).status_code == 404
    assert as_caller(service, unable).get("/jpip", params={"target": TARGET}).status_code == 403


def test_codestreams_are_made_once_and_kept(stored, archive, monkeypatch):
    """Also for the next process."""
    stored(ARRAY)
    url = {"target": TARGET, "fsiz": "400,300"}
    with TestClient(Starlette(routes=routes(archive))) as http:
        first = http.get("/jpip", params=url).content
    monkeypatch.setattr("pellucid.jpip.targets.partition", None)
    with TestClient(Starlette(routes=routes(archive))) as http:
        assert http.get("/jpip", params=url).content == first


def test_codestreams_in_memory_are_bounded(stored, archive):
    frames = picture(3 * 60, 80).reshape(3, 60, 80)
    stored(frames)
    with TestClient(Starlette(routes=routes(archive, limits=Limits(opened_bytes=1)))) as http:
        for number in (0, 1, 2, 0):
            client = Client(f"http://localhost/jpip?target={TARGET}", http=http)
            client.fetch(stream=number)
            np.testing.assert_array_equal(client.decode(stream=number), frames[number])


def test_what_cannot_be_a_codestream_is_406(stored, http):
    stored(ARRAY, "1.2.840.10008.1.2.4.90", frames=[j2k(ARRAY)[:-2000]])
    answer = http.get("/jpip", params={"target": TARGET, "fsiz": "9,9"})
    assert answer.status_code == 406
    assert "cut off" in answer.json()["detail"]


NAMES = sorted({*MALFORMED, "tid", "cnew", "cclose", "roi", "x"})
VALUES = st.one_of(
    st.text(st.characters(min_codepoint=1, max_codepoint=0x2FF), max_size=40),
    st.from_regex(r"\A[0-9]{1,3}(,[0-9]{1,3}){0,3}\Z"),
    st.from_regex(r"\A(-?[PHMTtcr][0-9*]{0,3}[-:L,]{0,2}[0-9]{0,2},?){1,5}\Z"),
)


@settings(max_examples=examples(150), deadline=3000)
@given(fields=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6))
def test_any_request_is_answered_or_refused(server, fields):
    answer = server.get("/jpip?" + urlencode({"target": TARGET} | fields))
    assert answer.status_code in (200, 400, 404, 501)
    if answer.headers["content-type"].startswith("image/jpp-stream"):
        assert list(read_messages(answer.content))
    elif answer.status_code != 200:
        assert answer.json()["detail"]
