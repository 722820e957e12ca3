"""The protocol as ISO/IEC 15444-9 describes it, over HTTP: fields, limits, channels, errors."""

import imagecodecs
import numpy as np
import pytest
from tests.jpip.conftest import TARGET
from tests.jpip.encoders import htj2k, needs_openjpeg, openjpeg, picture

from pellucid.jpip.messages import EndOfResponse, Message, Reason, read_messages
from pellucid.jpip.partition import partition

ARRAY = picture(300, 400)
PLAIN, EXTENDED, TILE_HEADER, TILE, MAIN, METADATA = 0, 1, 2, 4, 6, 8


@pytest.fixture
def ask(http):
    """Call with fields for the messages of the answer, its headers, and why it ended."""

    def get(**fields):
        response = http.get("/jpip", params={"target": TARGET} | fields)
        assert response.status_code == 200, response.text
        messages = list(read_messages(response.content))
        assert isinstance(messages[-1], EndOfResponse)
        assert all(isinstance(message, Message) for message in messages[:-1])
        return messages[:-1], response.headers, messages[-1].reason

    return get


def size_of(messages):
    return sum(len(message.body) for message in messages)


def test_headers_come_without_a_window(stored, ask):
    stored(ARRAY)
    messages, headers, reason = ask()
    assert [(m.bin_class, m.bin_id, m.last) for m in messages] == [(METADATA, 0, True), (MAIN, 0, True)]
    assert bytes(messages[1].body[:4]) == b"\xff\x4f\xff\x51"
    assert headers["content-type"] == "image/jpp-stream"
    assert headers["cache-control"] == "no-store"
    assert reason == Reason.WINDOW_DONE


def test_a_window_is_delivered_from_the_lowest_resolution_up(stored, ask):
    stored(ARRAY)
    messages, headers, reason = ask(fsiz="400,300")
    assert [m.bin_class for m in messages[:3]] == [METADATA, MAIN, TILE_HEADER]
    assert {m.bin_class for m in messages[3:]} == {PLAIN}
    # One tile, one component: identifiers are sequence numbers, and these rise with the resolution.
    assert [m.bin_id for m in messages[3:]] == sorted(m.bin_id for m in messages[3:])
    assert all(m.last and m.offset == 0 for m in messages)
    assert reason == Reason.IMAGE_DONE
    assert headers["jpip-fsiz"] == "400,300"
    assert headers["jpip-roff"] == "0,0"
    assert headers["jpip-rsiz"] == "400,300"


@pytest.mark.parametrize(
    ("fields", "frame", "offset", "size"),
    [
        ({"fsiz": "400,300"}, "400,300", "0,0", "400,300"),
        ({"fsiz": "399,300"}, "200,150", "0,0", "200,150"),
        ({"fsiz": "201,151,round-up"}, "400,300", "0,0", "400,300"),
        ({"fsiz": "210,160,closest"}, "200,150", "0,0", "200,150"),
        ({"fsiz": "1,1"}, "13,10", "0,0", "13,10"),
        ({"fsiz": "9999,9999,round-up"}, "400,300", "0,0", "400,300"),
        ({"fsiz": "400,300", "roff": "10,20", "rsiz": "30,40"}, "400,300", "10,20", "30,40"),
        ({"fsiz": "800,600", "roff": "101,20", "rsiz": "30,40"}, "400,300", "50,10", "16,20"),
        ({"fsiz": "400,300", "roff": "390,290", "rsiz": "100,100"}, "400,300", "390,290", "10,10"),
        ({"fsiz": "400,300", "roff": "390,290"}, "400,300", "390,290", "10,10"),
        ({"fsiz": "400,300", "roff": "4000,2900", "rsiz": "10,10"}, "400,300", "400,300", "0,0"),
        ({"fsiz": "400,300", "rsiz": "0,0"}, "400,300", "0,0", "0,0"),
    ],
)
def test_frame_sizes_and_regions(stored, ask, fields, frame, offset, size):
    stored(ARRAY)
    messages, headers, _ = ask(**fields)
    assert (headers["jpip-fsiz"], headers["jpip-roff"], headers["jpip-rsiz"]) == (frame, offset, size)
    assert (0 in {m.bin_class for m in messages}) == (size != "0,0")


@pytest.mark.parametrize("limit", [0, 1, 2, 40, 200, 1000, 5001, 70_000])
def test_len_limits_all_but_the_end_of_response(stored, http, limit):
    stored(ARRAY)
    params = {"target": TARGET, "fsiz": "400,300", "len": limit}
    body = http.get("/jpip", params=params).content
    assert len(body) <= limit + 3
    assert body[-3:] == bytes([0, Reason.BYTE_LIMIT, 0])
    if limit >= 200:
        assert len(body) > limit - 10


@pytest.mark.parametrize("session", [False, True])
@pytest.mark.parametrize("length", [601, 20_000])
def test_byte_limits_lead_to_the_same_codestream(stored, connect, http, length, session):
    stored(ARRAY)
    client = connect(session=session)
    for _ in range(3000):
        progress = client.fetch(length=length)
        assert progress.received <= length + 3
        if progress.complete:
            break
    assert client.codestream() == http.get("/jpip", params={"target": TARGET, "type": "raw"}).content


def test_what_was_cut_off_is_still_a_picture(stored, connect):
    stored(ARRAY)
    client = connect()
    sizes = []
    for _ in range(6):
        client.fetch(length=9000)
        decoded = [decode(client.codestream()) for decode in (imagecodecs.htj2k_decode, imagecodecs.jpeg2k_decode)]
        sizes += [np.abs(samples.astype(float) - ARRAY).mean() for samples in decoded]
    assert sizes[::2] == sizes[1::2]
    assert sizes[-1] < sizes[0]


def test_the_model_says_what_is_there(stored, ask):
    stored(ARRAY)
    everything, _, _ = ask(fsiz="400,300")
    precincts = [m for m in everything if m.bin_class == PLAIN]
    for model, left in {
        "Hm,M0,H0": precincts,
        "Hm,M0,H*,P*": [],
        "Hm,M0,H0,t0c0r0-4": [m for m in precincts if m.bin_id >= 4 + 1],
        "Hm,M0,H0,r*": [],
        "Hm,M0,H0,P*,-P3": precincts[3:4],
        "Hm,M0,H0,P*,-P3:50": precincts[3:4],
        "Hm,M0,H0,P*,-r0-1": precincts[:2],
        "Hm,M0,H0,[0],P*": [],
        "Hm,M0,H0,[1-5],P*": precincts,
        "[0-],Hm,M0,H0,t*c*:L1": [],
    }.items():
        messages, _, _ = ask(fsiz="400,300", model=model)
        expected = [m.bin_id for m in left] if model != "Hm,M0,H0,t0c0r0-4" else None
        if expected is not None:
            assert [m.bin_id for m in messages] == expected, model
        else:
            assert 0 < len(messages) < len(precincts)
        if model.endswith("-P3:50"):
            assert messages[0].offset == 50
    (cut,), _, _ = ask(fsiz="400,300", model="Hm,M0,H0,P*,-P4:7")
    assert (cut.offset, bytes(cut.body)) == (7, bytes(precincts[4].body[7:]))


def test_need_names_what_is_wanted(stored, ask):
    stored(ARRAY)
    messages, _, reason = ask(fsiz="400,300", need="Hm,P2,r0")
    assert [(m.bin_class, m.bin_id) for m in messages] == [(MAIN, 0), (PLAIN, 0), (PLAIN, 2)]
    assert reason == Reason.WINDOW_DONE


def test_channels_remember(stored, ask, http):
    stored(ARRAY)
    first, headers, _ = ask(fsiz="50,38", cnew="http-tcp,http", tid="0", qid="7")
    new = dict(part.split("=") for part in headers["jpip-cnew"].split(","))
    assert new["transport"] == "http"
    assert new["path"] == "jpip"
    assert headers["jpip-qid"] == "7"
    cid, tid = new["cid"], headers["jpip-tid"]
    second, headers, reason = ask(fsiz="400,300", cid=cid, tid=tid)
    assert "jpip-tid" not in headers
    assert not {(m.bin_class, m.bin_id) for m in first} & {(m.bin_class, m.bin_id) for m in second}
    assert reason == Reason.IMAGE_DONE
    again, _, _ = ask(fsiz="400,300", cid=cid)
    assert again == []
    forgotten, _, _ = ask(fsiz="400,300", cid=cid, model="-P0")
    assert [(m.bin_class, m.bin_id) for m in forgotten] == [(PLAIN, 0)]
    _, headers, _ = ask(fsiz="400,300", cid=cid, cnew="http")
    other = headers["jpip-cnew"].split(",")[0].removeprefix("cid=")
    assert other != cid
    assert ask(fsiz="400,300", cid=other)[0] == []
    assert http.get("/jpip", params={"cid": cid, "cclose": "*"}).status_code == 200
    for closed in (cid, other):
        assert http.get("/jpip", params={"cid": closed}).status_code == 404
    assert "jpip-cnew" not in ask(cnew="http-udp")[1]


def test_targets_have_opaque_identifiers_too(stored, http):
    stored(ARRAY)
    tid = http.get("/jpip", params={"target": TARGET, "tid": "0"}).headers["jpip-tid"]
    assert TARGET not in tid
    assert http.get("/jpip", params={"tid": tid, "fsiz": "9,9"}).status_code == 200
    assert http.get("/jpip", params={"tid": "another"}).status_code == 404
    # A client that believes to know another target has nothing of this one, whatever it says.
    answer = http.get("/jpip", params={"target": TARGET, "tid": "another", "model": "Hm"})
    assert answer.headers["jpip-tid"] == tid
    assert MAIN in {m.bin_class for m in read_messages(answer.content) if isinstance(m, Message)}


def test_fields_can_be_posted(stored, http):
    stored(ARRAY)
    fields = {"target": TARGET, "fsiz": "400,300", "model": ",".join(f"P{n}:1" for n in range(20))}
    assert http.post("/jpip", data=fields).content == http.get("/jpip", params=fields).content


@needs_openjpeg
def test_layers_quality_and_alignment(stored, ask, tmp_path):
    stored(ARRAY, "1.2.840.10008.1.2.4.90", frames=[openjpeg(tmp_path, ARRAY, "-r", "40,10,1")])
    whole, _, _ = ask(fsiz="400,300")
    one, headers, reason = ask(fsiz="400,300", layers="1")
    assert reason == Reason.WINDOW_DONE
    assert size_of(one) < 0.2 * size_of(whole)
    few, _, reason = ask(fsiz="400,300", quality="34")
    assert reason == Reason.QUALITY_LIMIT
    assert size_of(one) < size_of(few) < size_of(whole)
    _, headers, _ = ask(fsiz="400,300", layers="9")
    assert headers["jpip-layers"] == "3"
    ends = {m.bin_id: {len(m.body)} for m in one if m.bin_class == PLAIN}
    for messages in (few, whole):
        for message in messages:
            if message.bin_class == PLAIN:
                ends[message.bin_id].add(len(message.body))
    for length in range(2000, 4000, 300):
        last = ask(fsiz="400,300", len=length, align="yes")[0][-1]
        assert last.bin_class != PLAIN or len(last.body) in ends[last.bin_id]
    assert ask(fsiz="400,300", model="Hm,M0,H0,t*r*:L3")[0] == []
    rest = ask(fsiz="400,300", model="Hm,M0,H0,t*r*:L1")[0]
    assert size_of(rest) == size_of(whole) - size_of(one)


def test_extended_precincts_say_how_many_layers_are_complete(stored, http):
    stored(ARRAY)
    params = {"target": TARGET, "fsiz": "50,38", "type": "jpp-stream;ptype=ext"}
    answer = http.get("/jpip", params=params)
    assert answer.headers["content-type"] == "image/jpp-stream;ptype=ext"
    messages = [m for m in read_messages(answer.content) if isinstance(m, Message)]
    assert {m.bin_class for m in messages[3:]} == {EXTENDED}
    # The header of the first: identifier and completeness, class, offset, length, layers.
    at = answer.content.index(bytes(messages[3].body)) - 1
    assert answer.content[at] == 1


def test_components_follow_the_colour_transform(stored, ask):
    colour = picture(70, 90, 3, np.uint8)
    stored(colour)
    whole = {m.bin_id for m in ask(fsiz="90,70")[0]}
    assert {m.bin_id for m in ask(fsiz="90,70", comps="1")[0]} == whole


@needs_openjpeg
def test_components_alone(stored, ask, tmp_path):
    colour = picture(70, 90, 3, np.uint8)
    stored(colour, "1.2.840.10008.1.2.4.90", frames=[openjpeg(tmp_path, colour, "-mct", "0")])
    assert {m.bin_id % 3 for m in ask(fsiz="90,70", comps="1-2")[0] if m.bin_class == PLAIN} == {1, 2}


@needs_openjpeg
def test_tiles_as_whole_tile_parts(stored, http, tmp_path):
    """A JPT-stream's data-bins, one after another, are the codestream."""
    stored(ARRAY, "1.2.840.10008.1.2.4.90", frames=[openjpeg(tmp_path, ARRAY, "-t", "128,128")])
    answer = http.get("/jpip", params={"target": TARGET, "fsiz": "400,300", "type": "jpt-stream"})
    assert answer.headers["content-type"] == "image/jpt-stream"
    messages = [m for m in read_messages(answer.content) if isinstance(m, Message)]
    assert [m.bin_class for m in messages] == [METADATA, MAIN] + [TILE] * 12
    raw = http.get("/jpip", params={"target": TARGET, "type": "raw"}).content
    assert b"".join(m.body for m in messages) + b"\xff\xd9" == raw
    part = {"target": TARGET, "fsiz": "400,300", "roff": "130,0", "rsiz": "100,100", "type": "jpt-stream"}
    messages = list(read_messages(http.get("/jpip", params=part).content))
    assert [message.bin_id for message in messages[2:-1]] == [1]


@pytest.mark.parametrize(
    ("coding", "raw", "boxed", "brand"),
    [("htj2k", "image/jphc", "image/jph", b"jph "), ("j2k", "image/j2c", "image/jp2", b"jp2 ")],
)
def test_whole_files(stored, http, coding, raw, boxed, brand):
    array = picture(60, 80, 3, np.uint8)
    stored(array)
    answer = http.get(f"/jpip/{coding}", params={"target": TARGET, "type": "jp2"})
    assert answer.headers["content-type"] == boxed
    assert answer.content[4:8] == b"jP  "
    assert answer.content[20:24] == brand
    np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(answer.content), array)
    bare = http.get(f"/jpip/{coding}", params={"target": TARGET, "type": "image/raw,jpp-stream"})
    assert bare.headers["content-type"] == raw
    assert answer.content.endswith(bare.content)


def test_several_codestreams_at_once(stored, ask):
    frames = picture(3 * 60, 80).reshape(3, 60, 80)
    stored(frames)
    messages, _, reason = ask(fsiz="80,60", stream="0-2")
    assert [m.stream for m in messages if m.bin_class == MAIN] == [0, 1, 2]
    assert reason == Reason.IMAGE_DONE
    only, _, _ = ask(fsiz="80,60", stream="1", model="Hm,M0,H0,[0],P*")
    assert {m.stream for m in only} == {1}
    assert PLAIN in {m.bin_class for m in only}


def test_htj2k_is_kept_as_it_is(stored, http):
    """What is stored as HTJ2K keeps its code-blocks' bytes: re-packing what was re-packed changes nothing."""
    source = htj2k(ARRAY)
    stored(ARRAY, "1.2.840.10008.1.2.4.202", frames=[source])
    assert http.get("/jpip", params={"target": TARGET, "type": "raw"}).content == partition(source).data
