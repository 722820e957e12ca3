"""Whole instances: every pixel form to every transfer syntax and back, and nothing else changed."""

import io
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.codecs.made import BIG, EXPLICIT, IMPLICIT, Pixels, dataset, file_bytes, file_of, native, pixels
from tests.properties import examples

from pellucid.codecs import Instance, Lossy, NotLosslessError, Options, codec_of, named, transcode, transcode_into
from pellucid.codecs.syntaxes import SYNTAXES, Kind
from pellucid.codecs.table import CODECS, decoded_form, refusal
from pellucid.errors import InvalidInputError, PellucidError, UnsupportedError

WITHOUT_LOSS = [s for s in SYNTAXES.values() if s.kind in (Kind.NATIVE, Kind.IMAGES)]
LOSSLESS = [s.uid for s in WITHOUT_LOSS if s.short not in ("jpeg", "jpeg-extended")]
NATIVE = [s.uid for s in SYNTAXES.values() if s.native]
CODED = [uid for uid in LOSSLESS if uid not in NATIVE]
MAY_CHANGE = {0x00280004, 0x00280006, 0x00280102, 0x7FE00001, 0x7FE00002, 0x7FE00010}


def values_of(data):
    """Stored values of all frames, colour as decoded, read by this package."""
    with Instance.open(data) as instance:
        form, uid = instance.form(), instance.syntax.uid
        after = decoded_form(uid, form)
        one = instance.native_frame
        if instance.encapsulated:
            one = lambda n, form: codec_of(uid).decode(instance.coded_frame(n), form)  # noqa: E731
        frames = [one(n, form) for n in range(form.frames)]
    return np.stack([after.values(frame) for frame in frames])


def form_of(data):
    """What the frames are once they are decoded."""
    with Instance.open(data) as instance:
        return decoded_form(instance.syntax.uid, instance.form())


def read(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(io.BytesIO(data))


def require_nothing_else_changed(before, after):
    one, two = read(before), read(after)
    for tag in {*one.keys(), *two.keys()} - MAY_CHANGE:
        if tag.element == 0:
            continue
        assert tag in one
        assert tag in two, tag
        first, second = one[tag].value, two[tag].value
        if "OW" in (one[tag].VR, two[tag].VR) or "UN" in (one[tag].VR, two[tag].VR):
            continue  # numbers of a known width elsewhere: compared by test_numbers_turn_with_the_byte_order
        assert first == second, tag
    assert one.file_meta.MediaStorageSOPInstanceUID == two.file_meta.MediaStorageSOPInstanceUID


@st.composite
def any_pixels(draw):
    allocated = draw(st.sampled_from([8, 16, 16, 32]))
    colour = draw(st.booleans()) and allocated <= 16
    stored = draw(st.integers(1, allocated)) if not colour else allocated
    high = draw(st.integers(stored - 1, allocated - 1)) if not colour else None
    frames, rows, columns = draw(st.integers(1, 3)), draw(st.integers(1, 20)), draw(st.integers(1, 20))
    signed = not colour and stored > 1 and draw(st.booleans())
    photometric = draw(st.sampled_from(["RGB", "YBR_FULL"] if colour else ["MONOCHROME1", "MONOCHROME2"]))
    shape = (frames, rows, columns, 3) if colour else (frames, rows, columns)
    return pixels(
        draw(st.integers(0, 99)), shape, allocated, stored, signed, photometric=photometric, high_bit=high,
        planar=int(colour and draw(st.booleans())),
    )  # fmt: skip


@settings(max_examples=examples(120), deadline=None)
@given(any_pixels(), st.sampled_from(NATIVE), st.sampled_from(CODED), st.sampled_from(LOSSLESS))
def test_any_pixels_go_round(made, start, middle, end):
    data = transcode(file_of(made), start)
    assert np.array_equal(values_of(data), made.values)
    if refusal(middle, form_of(data)):
        with pytest.raises(UnsupportedError, match="cannot become"):
            transcode(data, middle)
        return
    coded = transcode(data, middle)
    assert np.array_equal(values_of(coded), made.values)
    if not refusal(end, form_of(coded)):
        back = transcode(coded, end)
        assert np.array_equal(values_of(back), made.values)
        require_nothing_else_changed(file_of(made), back)


@pytest.mark.parametrize("uid", CODED, ids=lambda uid: SYNTAXES[uid].short)
def test_pydicom_reads_the_same_pixels(uid):
    made = pixels(1, (2, 31, 17), 16, 12, signed=True)
    found = read(transcode(file_of(made), uid))
    assert found.file_meta.TransferSyntaxUID == uid
    if SYNTAXES[uid].short != "deflated-frames":  # pydicom has no decoder of it
        assert np.array_equal(found.pixel_array, made.values)
    require_nothing_else_changed(file_of(made), transcode(file_of(made), uid))


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("uid", ["rle", "deflated-frames", "deflated", "implicit", "big-endian"])
def test_single_bits(uid, frames):
    made = pixels(2, (frames, 5, 7), 1, 1)
    data = transcode(file_of(made), named(uid))
    assert np.array_equal(values_of(data), made.values)
    back = transcode(data, EXPLICIT)
    assert read(back).PixelData[: (35 * frames + 7) // 8] == native(made)
    assert np.array_equal(read(back).pixel_array.reshape(made.values.shape), made.values)


def test_single_bits_are_refused_by_codecs_of_numbers():
    with pytest.raises(UnsupportedError, match="BitsAllocated is 1"):
        transcode(file_of(pixels(2, (1, 5, 7), 1, 1)), named("htj2k"))


def test_a_palette_stays_a_palette():
    made = pixels(3, (1, 9, 9), 8, 8, photometric="PALETTE COLOR")
    table = np.arange(256, dtype="<u2").tobytes()
    names = ("Red", "Green", "Blue")
    extra = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in names}
    extra |= {f"{name}PaletteColorLookupTableData": table for name in names}
    data = file_of(made, **extra)
    for uid in CODED:
        coded = read(transcode(data, uid))
        assert coded.PhotometricInterpretation == "PALETTE COLOR"
        assert coded.RedPaletteColorLookupTableData == table
    with pytest.raises(UnsupportedError, match="palette"):
        transcode(data, named("jpeg2000-any"), Options(lossy=Lossy()))


def test_colour_says_what_it_is():
    made = pixels(4, (1, 12, 10, 3), 8, 8, photometric="RGB", planar=1)
    expected = {"htj2k": "YBR_RCT", "jpeg2000": "YBR_RCT", "rle": "RGB", "jpeg-ls": "RGB", "jpeg-lossless-sv1": "RGB"}
    for short, photometric in expected.items():
        found = read(transcode(file_of(made), named(short)))
        assert (found.PhotometricInterpretation, found.PlanarConfiguration) == (photometric, 0)
        plain = read(transcode(transcode(file_of(made), named(short)), EXPLICIT))
        assert (plain.PhotometricInterpretation, plain.PlanarConfiguration) == ("RGB", 0)


def test_subsampled_colour_becomes_whole():
    full = pixels(5, (1, 6, 8, 3), 8, 8, photometric="YBR_FULL").values[0]
    full[:, 1::2, 1:] = full[:, ::2, 1:]
    pairs = np.concatenate([full[:, ::2, :1], full[:, 1::2, :1], full[:, ::2, 1:]], axis=-1)
    found = dataset(Pixels(full[None], 8, 8, "YBR_FULL_422"))
    data = file_bytes(found, pairs.tobytes())
    coded = transcode(data, named("jpeg-ls"))
    assert read(coded).PhotometricInterpretation == "YBR_FULL"
    assert np.array_equal(values_of(coded)[0], full)
    assert read(transcode(data, BIG)).PhotometricInterpretation == "YBR_FULL_422"


def test_overlays_in_unused_bits_get_their_own_attribute():
    made = pixels(6, (2, 8, 9), 16, 12)
    overlay = np.random.default_rng(0).integers(0, 2, made.values.shape).astype(np.uint16)
    cells = made.values | overlay << 13
    found = dataset(made)
    for element, vr, value in (
        (0x0010, "US", 8), (0x0011, "US", 9), (0x0040, "CS", "G"), (0x0050, "SS", [1, 1]), (0x0100, "US", 16),
        (0x0102, "US", 13),
    ):  # fmt: skip
        found.add_new(0x60000000 | element, vr, value)
    data = file_bytes(found, cells.astype("<u2").tobytes())
    coded = read(transcode(data, named("htj2k")))
    assert coded[0x60000102].value == 0
    assert coded[0x60000100].value == 1
    assert coded[0x60000015].value == 2
    bits = np.unpackbits(np.frombuffer(coded[0x60003000].value, np.uint8), bitorder="little")[: overlay.size]
    assert np.array_equal(bits, overlay.ravel())
    kept = transcode(data, named("rle"))
    assert read(kept)[0x60000102].value == 13
    assert transcode(kept, EXPLICIT) == data
    again = read(transcode(kept, named("jpeg2000")))
    assert again[0x60003000].value == coded[0x60003000].value


def test_lossy_copies_are_new_instances_that_say_so():
    made = pixels(7, (1, 64, 64), 16, 12)
    data = file_of(made)
    for short, method, limit in (
        ("jpeg-extended", "ISO_10918_1", 600), ("jpeg-ls-near", "ISO_14495_1", 2),
        ("jpeg2000-any", "ISO_15444_1", 2000),
        ("htj2k-any", "ISO_15444_15", 2000),
    ):  # fmt: skip
        found = read(coded := transcode(data, named(short), Options(lossy=Lossy())))
        assert found.SOPInstanceUID != "1.2.3.4"
        assert found.file_meta.MediaStorageSOPInstanceUID == found.SOPInstanceUID
        assert found.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.4"
        assert found.DerivationCodeSequence[0].CodeValue == "113040"
        assert found.ImageType[0] == "DERIVED"
        assert (found.LossyImageCompression, found.LossyImageCompressionMethod) == ("01", method)
        assert found.LossyImageCompressionRatio == pytest.approx(64 * 64 * 2 / len(found.PixelData), rel=0.05)
        error = np.abs(values_of(coded).astype(int) - made.values)
        assert 0 < error.max() <= limit
        twice = read(transcode(coded, named("jpeg-ls-near"), Options(lossy=Lossy(error=3))))
        assert list(twice.LossyImageCompressionMethod) == [method, "ISO_14495_1"]
        assert len(twice.SourceImageSequence) == 2


def test_baseline_jpeg_of_colour():
    made = pixels(8, (1, 32, 32, 3), 8, 8, photometric="RGB")
    coded = transcode(file_of(made), named("jpeg"), Options(lossy=Lossy(quality=95)))
    assert read(coded).PhotometricInterpretation == "YBR_FULL_422"
    assert np.abs(values_of(coded).astype(int) - made.values).mean() < 6
    plain = read(transcode(coded, EXPLICIT))
    assert plain.PhotometricInterpretation == "RGB"
    assert plain.LossyImageCompression == "01"


def test_loss_is_never_silent():
    data = file_of(pixels(9, (1, 8, 8), 8, 8))
    with pytest.raises(UnsupportedError, match="ask for a lossy form"):
        transcode(data, named("jpeg"))
    for short in ("jpeg-ls-near", "jpeg2000-any", "htj2k-any"):
        assert "LossyImageCompression" not in read(transcode(data, named(short)))
    with pytest.raises(UnsupportedError, match="cannot lose"):
        transcode(data, named("htj2k"), Options(lossy=Lossy()))


def test_numbers_turn_with_the_byte_order():
    made = pixels(10, (1, 4, 4), 16, 16)
    data = file_of(made, RedPaletteColorLookupTableData=b"\1\2\3\4")
    turned = transcode(data, BIG)
    assert read(turned)[0x00281201].value == b"\2\1\4\3"
    back = transcode(turned, EXPLICIT)
    assert read(back) == read(data)
    assert transcode(transcode(back, BIG), EXPLICIT) == back
    implicit = transcode(back, IMPLICIT)
    assert transcode(transcode(implicit, BIG), IMPLICIT) == implicit


@pytest.mark.parametrize("short", ["rle", "jpeg-lossless-sv1", "jpeg-ls", "jpeg2000", "htj2k"])
def test_what_an_encoder_gets_wrong_is_never_given(monkeypatch, short):
    made = pixels(15, (1, 20, 20))
    codec = CODECS[named(short)]
    encode = type(codec).encode
    monkeypatch.setattr(type(codec), "encode", lambda self, frame, form, lossy: encode(self, frame ^ 1, form, lossy))
    with pytest.raises(NotLosslessError, match="does not decode to the same pixels"):
        transcode(file_of(made), named(short))


@pytest.mark.slow
def test_memory_is_a_few_frames(tmp_path):
    """300 MB of frames from file to file and back, in a process whose memory is measured."""
    made = pixels(16, (600, 512, 512))
    (tmp_path / "in.dcm").write_bytes(file_of(made))
    program = (
        "import resource, sys; from pathlib import Path; from pellucid.codecs import *\n"
        "base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for source, target, to in (('in', 'mid', 'htj2k'), ('mid', 'out', 'explicit')):\n"
        "    with open(target + '.dcm', 'w+b') as file:\n"
        "        transcode_into(file, Path(source + '.dcm'), named(to), Options(parallel=2))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base)"
    )
    grown = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=True).stdout
    assert int(grown) * 1024 < 160e6
    assert (tmp_path / "out.dcm").read_bytes()[-1000:] == (tmp_path / "in.dcm").read_bytes()[-1000:]


def test_films_are_never_decoded():
    found = dataset(pixels(11, (1, 4, 4), 8, 8))
    data = transcode(file_bytes(found, b"\0" * 16), named("rle"))
    film = data.replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.4.102\0")
    instance = bytearray(film)
    position = film.index(b"\2\0\0\0UL") + 8
    length = int.from_bytes(film[position : position + 4], "little") + 4
    instance[position : position + 4] = length.to_bytes(4, "little")
    at = film.index(b"\2\0\x10\0UI") + 6
    instance[at : at + 2] = (24).to_bytes(2, "little")
    assert transcode(bytes(instance), "1.2.840.10008.1.2.4.102") == bytes(instance)
    with pytest.raises(UnsupportedError, match="film is kept"):
        transcode(bytes(instance), EXPLICIT)


def test_floating_point_has_no_codec():
    found = dataset(pixels(12, (1, 4, 4), 32, 32))
    data = file_bytes(found, b"\0" * 64)
    changed = read(data)
    changed.FloatPixelData = np.arange(16, dtype="<f4").tobytes()
    del changed.PixelData
    target = io.BytesIO()
    changed.save_as(target)
    with pytest.raises(UnsupportedError, match="floating point"):
        transcode(target.getvalue(), named("htj2k"))
    turned = read(transcode(target.getvalue(), BIG))
    assert np.array_equal(np.frombuffer(turned.FloatPixelData, ">f4"), np.arange(16))


def test_many_frames_stream_through_files(tmp_path):
    made = pixels(13, (9, 40, 30), 16, 14)
    source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
    source.write_bytes(file_of(made))
    seen = []
    with target.open("w+b") as file:
        options = Options(parallel=3, progress=lambda fraction, *_: seen.append(fraction))
        transcode_into(file, source, named("htj2k"), options)
    assert target.read_bytes() == transcode(source.read_bytes(), named("htj2k"))
    assert seen == pytest.approx([n / 9 for n in range(1, 10)])
    assert np.array_equal(values_of(target), made.values)


@pytest.mark.parametrize("cut", [0, 100, 140, 300, -1, -9, -200])
def test_truncated_files_are_refused(cut):
    data = transcode(file_of(pixels(14, (2, 9, 9))), named("rle"))
    with pytest.raises(InvalidInputError):
        transcode(data[:cut], named("htj2k"))


def all_files():
    folder = Path(pydicom.data.__file__).parent / "test_files"
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size < 2_000_000)


REFUSED = {"MR_truncated.dcm", "badVR.dcm", "meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm", "rtplan_truncated.dcm",
           "JPEG2000-embedded-sequence-delimiter.dcm", "emri_small_jpeg_2k_lossless_too_short.dcm"}  # fmt: skip
"""Truncated, or without what an image must say."""


def go_round(path, targets):
    data = path.read_bytes()
    if data[128:132] != b"DICM":
        return
    if path.name in REFUSED:
        with pytest.raises(PellucidError):
            values_of(data)
        return
    with Instance.open(data) as instance:
        if instance.pixel is None or instance.pixel.tag != 0x7FE00010:
            return
    before = values_of(data)
    for uid in targets:
        if refusal(uid, form_of(data)) is None:
            assert np.array_equal(values_of(transcode(data, uid)), before), (path.name, uid)


@pytest.mark.parametrize("path", all_files()[::6], ids=lambda path: path.name)
def test_every_sixth_file_of_pydicom(path):
    go_round(path, [EXPLICIT, named("htj2k"), named("jpeg-ls")])


@pytest.mark.slow
@pytest.mark.parametrize("path", all_files(), ids=lambda path: path.name)
def test_every_file_of_pydicom(path):
    go_round(path, LOSSLESS)


@pytest.mark.slow
def test_every_tenth_real_file(real_data):
    paths = sorted(path for path in real_data("dicom").rglob("*") if path.suffix in (".dcm", ""))
    for path in [path for path in paths if path.is_file()][::10]:
        go_round(path, [named("htj2k"), named("jpeg-lossless-sv1"), named("rle")])
