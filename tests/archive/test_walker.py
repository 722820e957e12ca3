"""Our walk through a data set finds what pydicom finds, in every form that DICOM has, and keeps to its limits."""

import struct
import tracemalloc
import zlib
from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.archive.raw_dicom import BIG, EXPLICIT, IMPLICIT, UNDEFINED, element, identified, p10, sequence
from tests.properties import examples

from pellucid.archive import FailureReason, StoreRefusedError
from pellucid.archive import walker as walking
from pellucid.archive.columns import TAGS
from pellucid.archive.dicom_json import PIXEL_TAGS
from pellucid.archive.metadata import file_meta, parse
from pellucid.archive.pydicom_reading import PydicomReading, counted
from pellucid.archive.values import NotCoveredError
from pellucid.archive.walker import Walk

WANTED = frozenset({*TAGS.values(), *PIXEL_TAGS})


def walk(data):
    syntax, start = file_meta(data)
    return Walk(data, start, implicit=syntax == IMPLICIT, big_endian=syntax == BIG, wanted=WANTED)


def assert_same(data, name=""):
    """The same JSON, texts and pixels; False where it is for pydicom alone."""
    try:
        found = walk(data)
        texts = {tag: found.text(tag) for tag in TAGS.values()}
    except NotCoveredError:
        return False
    expected = PydicomReading(counted(data), file_meta(data)[0])
    assert found.lines == expected.lines, name
    assert texts == {tag: expected.text(tag) for tag in TAGS.values()}, name
    pixels = {tag: span[1:] for tag, span in found.spans.items() if tag in PIXEL_TAGS}
    assert pixels == {tag: span[1:] for tag, span in expected.spans.items()}, name
    return True


def assert_files_same(files):
    """Of these files; how many our walk read, and which it left to pydicom."""
    read, left = 0, []
    for file in files:
        data = file.read_bytes()
        try:
            syntax, _ = file_meta(data)
            if syntax == "1.2.840.10008.1.2.1.99":
                continue
            if assert_same(data, file.name):
                read += 1
            else:
                left.append(file.name)
        except StoreRefusedError:
            continue
    return read, left


def test_every_file_that_pydicom_brings():
    files = [p for p in (Path(pydicom.__file__).parent / "data").rglob("*") if p.is_file()]
    read, left = assert_files_same(files)
    assert read > 90
    assert set(left) <= {"winter.dcm", "SC_rgb_jpeg.dcm", "nested_priv_SQ.dcm", "DICOMDIR-nooffset"}


def test_real_files(real_data):
    files = sorted(p for p in real_data("dicom").rglob("*") if p.is_file())
    read, left = assert_files_same(files[:: max(1, len(files) // 60)])
    assert read > 40
    assert len(left) <= 2


# Random data sets

TEXT = st.one_of(
    st.text("AZaz09 ^=\\.+-e_", max_size=24).map(str.encode),
    st.sampled_from(
        [b"1\\2.5\\-3e2", b" 12 ", b"1.0", b"nan", b"inf", b"1e400", b"9" * 20, b"", b"\\", b"A\0", b"=^="]
    ),
    st.text(max_size=12).map(str.encode),
    st.binary(max_size=20),
    st.sampled_from(
        [b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", b"Hong^Gildong=\x1b$)C\xfb\xf3^\xd1\xce", b"\x1bZ"]
    ),
)
NUMBERS = st.binary(max_size=4).map(lambda b: b * 4) | st.binary(max_size=9) | st.just(struct.pack("<d", float("nan")))
CHARACTER_SETS = st.sampled_from(
    [
        b"ISO_IR 100",
        b"ISO_IR 192",
        b"ISO_IR 13\\ISO 2022 IR 87",
        b"\\ISO 2022 IR 149",
        b"GB18030",
        b"ISO_IR_100",
        b"ISO 2022 IR 6\\ISO 2022 IR 58",
        b"ISO_IR 192\\ISO 2022 IR 87",
        b"nonsense",
        b"",
        b"latin-1",
        b"ISO 2022 IR 100\\",
    ]
)
TEXT_VRS = ["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"]
NUMBER_VRS = ["AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV", "OB", "OD", "OF", "OL", "OV", "OW", "UN"]
VALUES = st.one_of(st.tuples(st.sampled_from(TEXT_VRS), TEXT), st.tuples(st.sampled_from(NUMBER_VRS), NUMBERS))
PUBLIC = [0x00080080, 0x00081030, 0x00101010, 0x00180050, 0x00189810, 0x00200032, 0x00280030, 0x00280106]
PUBLIC += [0x00281101, 0x00283002, 0x00283006, 0x0040A160, 0x00409211, 0x00420011, 0x60003000, 0x7FE00010, 0xFFFCFFFC]
PRIVATE = [0x00190010, 0x00191001, 0x00191002, 0x00290010, 0x00291010, 0x0029108C, 0x00E11001]


def data_sets(syntax, depth=0):
    """Elements in order, with sequences of such data sets."""
    simple = st.tuples(st.sampled_from(PUBLIC + PRIVATE), VALUES).map(
        lambda drawn: (drawn[0], element(drawn[0], *drawn[1], syntax))
    )
    character_set = CHARACTER_SETS.map(lambda value: (0x00080005, element(0x00080005, "CS", value, syntax)))
    creator = st.sampled_from([b"GEMS_PARM_01", b"SIEMENS MEDCOM HEADER ", b"SIEMENS CSA HEADER", b"?"]).map(
        lambda value: (0x00290010, element(0x00290010, "LO", value, syntax))
    )
    sign = st.sampled_from([b"\0\0", b"\1\0" if syntax != BIG else b"\0\1"]).map(
        lambda value: (0x00280103, element(0x00280103, "US", value, syntax))
    )
    choices = [simple, simple, simple, character_set, creator, sign]
    if depth < 3:
        items = st.lists(st.deferred(lambda: data_sets(syntax, depth + 1)), max_size=2)
        choices.append(
            st.tuples(st.sampled_from([0x00081115, 0x00400275, 0x00191003]), items, st.booleans()).map(
                lambda drawn: (drawn[0], sequence(drawn[0], drawn[1], syntax, undefined=drawn[2]))
            )
        )
        choices.append(items.map(lambda made: (0x0040A730, sequence(0x0040A730, made, syntax, vr="UN"))))
    return st.lists(st.one_of(choices), max_size=8).map(
        lambda found: b"".join(v for _, v in sorted(dict(found).items()))
    )


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(drawn=st.data())
def test_random_data_sets(syntax, drawn):
    made = drawn.draw(data_sets(syntax))
    first, last = element(0x00080001, "UL", b"\0\0\0\0", syntax), element(0xFFFDFFFD, "OB", b"ab", syntax)
    assert_same(p10(first + made + last, syntax))


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_a_private_creator_that_is_no_text(syntax):
    made = element(0x00190010, "FD", bytes(4), syntax) + element(0x00191001, "FD", bytes(8), syntax)
    assert not assert_same(p10(made, syntax))
    parse(identified(made, b"", syntax), inflated_limit=0)


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_a_table_descriptor_of_odd_length_is_not_called_truncated(syntax):
    assert not assert_same(p10(element(0x00281101, "SS", bytes(5), syntax), syntax))


def test_what_begins_a_uri_is_part_of_it():
    assert assert_same(p10(element(0x00081030, "UR", b"\x1f0")))


def test_a_number_of_other_characters_is_left_to_pydicom():
    assert not assert_same(p10(element(0x00080005, "CS", b"ISO_IR 192") + element(0x00081030, "DS", b"\xc2\x80")))


def test_sequences_of_every_form_are_walked_and_not_left_to_pydicom():
    item = element(0x00080100, "SH", b"113100") + element(0x00080104, "LO", b"Basic ")
    for syntax in (EXPLICIT, IMPLICIT, BIG):
        inner = element(0x00080100, "SH", b"113100", syntax)
        for undefined in (False, True):
            middle = sequence(0x00081115, [inner, b"", inner], syntax, undefined=undefined)
            outer = sequence(0x00400275, [middle, inner], syntax, undefined=not undefined)
            assert assert_same(p10(outer, syntax))
    unknown = sequence(0x00091001, [element(0x00080100, "SH", b"113100", IMPLICIT)], vr="UN", undefined=True)
    assert assert_same(p10(element(0x00080104, "LO", b"x ") + unknown + sequence(0x00120064, [item])))


def test_encapsulated_pixels():
    fragments = element(0xFFFEE000, "", b"", IMPLICIT) + element(
        0xFFFEE000, "", b"\xff\xd8 a picture \xff\xd9", IMPLICIT
    )
    value = fragments + element(0xFFFEE0DD, "", b"", IMPLICIT)
    data = identified(b"", element(0x7FE00010, "OB", value, length=UNDEFINED))
    data = data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0")
    assert assert_same(data)
    parsed = parse(data, inflated_limit=1 << 20)
    offset, length = parsed.instance["pixel_offset"], parsed.instance["pixel_length"]
    assert data[offset : offset + length] == fragments
    with pytest.raises(StoreRefusedError, match="truncated"):
        parse(data[:-9], inflated_limit=1 << 20)


# Limits


def nested(depth, *, undefined):
    made = element(0x00080100, "SH", b"113100")
    for _ in range(depth):
        made = sequence(0x0040A730, [made], undefined=undefined)
    return made


@pytest.mark.parametrize("undefined", [False, True])
def test_nesting_has_a_limit(undefined):
    fine = identified(b"", nested(walking.MAXIMUM_DEPTH, undefined=undefined))
    assert parse(fine, inflated_limit=0).instance["long_attributes"].count("0040A730") == walking.MAXIMUM_DEPTH
    with pytest.raises(StoreRefusedError, match="more than 64 deep") as refused:
        parse(identified(b"", nested(1500, undefined=True)), inflated_limit=0)
    assert refused.value.reason == FailureReason.OUT_OF_RESOURCES


def test_the_number_of_attributes_has_a_limit(monkeypatch):
    monkeypatch.setattr(walking, "MAXIMUM_ELEMENTS", 1000)
    many = [element(0x00080100, "SH", b"") for _ in range(1001)]
    with pytest.raises(StoreRefusedError, match="more than 1000 attributes"):
        parse(identified(b"", sequence(0x0040A730, many)), inflated_limit=0)
    fragments = b"".join(element(0xFFFEE000, "", b"", IMPLICIT) for _ in range(1001))
    with pytest.raises(StoreRefusedError, match="more than 1000 attributes"):
        parse(identified(b"", element(0x7FE00010, "OB", fragments, length=UNDEFINED)), inflated_limit=0)


def test_text_has_a_limit(monkeypatch):
    monkeypatch.setattr(walking, "MAXIMUM_INLINE_BYTES", 10_000)
    parse(identified(b"", element(0x0040A160, "UT", b"x" * 9000)), inflated_limit=0)
    with pytest.raises(StoreRefusedError, match="more than 10000 bytes of text") as refused:
        parse(
            identified(b"", element(0x0040A160, "UT", b"x" * 6000) + element(0x00420011, "UT", b"x" * 6000)),
            inflated_limit=0,
        )
    assert refused.value.reason == FailureReason.OUT_OF_RESOURCES


@pytest.mark.parametrize("claimed", [0x7FFFFFFF, 0xFFFFFFFE])
@pytest.mark.parametrize("vr", ["OB", "UT", "SQ", "UN"])
def test_a_length_beyond_the_file_is_refused_and_nothing_allocated(vr, claimed):
    data = identified(b"", element(0x0040A730, vr, b"ab", length=claimed))
    tracemalloc.start()
    with pytest.raises(StoreRefusedError, match="truncated"):
        parse(data, inflated_limit=0)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_pixels_must_be_there():
    shape = element(0x00280010, "US", b"\xff\xff") + element(0x00280011, "US", b"\xff\xff")
    shape += element(0x00280100, "US", b"\x10\0") + element(0x7FE00010, "OW", bytes(64))
    with pytest.raises(StoreRefusedError, match="1 frames of 65535 x 65535 need 8589672450"):
        parse(identified(b"", shape), inflated_limit=0)


def test_a_large_file_is_parsed_where_it_lies(tmp_path):
    """4 GB of frames (a file with a hole): the pixels are not read, let alone held."""
    frames, size = 8000, 8000 * 512 * 512 * 2
    shape = element(0x00280008, "IS", str(frames).encode()) + element(0x00280010, "US", b"\0\2")
    shape += element(0x00280011, "US", b"\0\2") + element(0x00280100, "US", b"\x10\0")
    head = identified(b"", shape + element(0x7FE00010, "OW", b"", length=size))
    file = tmp_path / "large.dcm"
    file.write_bytes(head)
    with file.open("r+b") as opened:
        opened.truncate(len(head) + size)
    tracemalloc.start()
    instance = parse(file, inflated_limit=0).instance
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()
    assert (instance["number_of_frames"], instance["pixel_offset"], instance["pixel_length"]) == (
        frames,
        len(head),
        size,
    )


def test_a_file_is_parsed_like_its_bytes(tmp_path):
    data = identified(element(0x00091002, "OB", bytes(3000)), element(0x7FE00010, "OW", bytes(2 << 20)))
    (tmp_path / "a.dcm").write_bytes(data)
    assert parse(tmp_path / "a.dcm", inflated_limit=0) == parse(data, inflated_limit=0)


def test_what_is_out_of_order_is_read_by_pydicom(tmp_path):
    late = element(0x00081030, "LO", b"Chest ")
    data = identified(b"", element(0x00200010, "SH", b"S1") + late)
    with pytest.raises(NotCoveredError):
        walk(data)
    assert '"00081030":{"vr":"LO","Value":["Chest"]}' in parse(data, inflated_limit=0).instance["attributes"]
    (tmp_path / "a.dcm").write_bytes(data + element(0x7FE00010, "OW", bytes(2 << 20)))
    assert parse(tmp_path / "a.dcm", inflated_limit=0).instance["pixel_length"] == 2 << 20


def test_a_bomb_stops_at_its_limit():
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(bytes(50 << 20)) + packer.flush()
    tracemalloc.start()
    with pytest.raises(StoreRefusedError, match="inflates to more than 1048576 bytes"):
        parse(p10(body, "1.2.840.10008.1.2.1.99"), inflated_limit=1 << 20)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_a_syntax_with_quotes_is_text_in_the_json():
    data = p10(identified(b"", b"")[len(p10(b"")) :], '1.2"840\\x')
    assert '"Value":["1.2\\"840\\\\x"]' in parse(data, inflated_limit=0).instance["attributes"]
