"""Frames in every form they are stored in come out right, as stored, as plain samples and as HTJ2K."""

import io

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from tests.archive.samples import dataset, file_bytes, put_pixels, uid

random = np.random.default_rng(1)
INT16 = random.integers(-1000, 3000, (13, 11)).astype(np.int16)
UINT16 = random.integers(0, 65535, (3, 13, 11)).astype(np.uint16)
UINT8 = random.integers(0, 255, (13, 11)).astype(np.uint8)
RGB = random.integers(0, 255, (2, 13, 11, 3)).astype(np.uint8)
BITS = random.integers(0, 2, (3, 5, 7)).astype(np.uint8)
FLOAT = random.normal(size=(2, 4, 6)).astype(np.float32)


def compressed(array, syntax, encode, **changes):
    """Frames encoded one by one, without an offset table (as many senders do)."""
    made = dataset(pixels=array, **changes)
    frames = array if made.get("NumberOfFrames") else array[None]
    made.PixelData = encapsulate([encode(np.ascontiguousarray(frame)) for frame in frames], has_bot=False)
    made["PixelData"].VR = "OB"
    return file_bytes(made, syntax)


def bit_packed():
    made = dataset(pixels=BITS)
    made.BitsAllocated = made.BitsStored = 1
    made.HighBit = 0
    packed = np.packbits(BITS.ravel(), bitorder="little").tobytes()
    made.PixelData = packed + b"\0" * (len(packed) % 2)
    return file_bytes(made)


def planar():
    made = dataset(pixels=RGB)
    made.PlanarConfiguration = 1
    made.PixelData = RGB.transpose(0, 3, 1, 2).tobytes()
    return file_bytes(made)


def big_endian():
    made = dataset(pixels=UINT16)
    made.PixelData = UINT16.astype(">u2").tobytes()
    return file_bytes(made, ExplicitVRBigEndian)


def float_pixels():
    made = dataset(pixels=np.zeros(FLOAT.shape, np.uint16))
    del made.PixelData
    made.FloatPixelData = FLOAT.tobytes()
    made.BitsAllocated = 32
    return file_bytes(made)


def run_length():
    made = dataset(pixels=UINT16)
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.compress(RLELossless)
    made.SOPInstanceUID = uid(1, 1, 1)
    return file_bytes(made, RLELossless)


def extended_offsets():
    made = dataset(pixels=UINT16)
    encoded = [imagecodecs.jpegls_encode(frame) for frame in UINT16]
    made.PixelData, made.ExtendedOffsetTable, made.ExtendedOffsetTableLengths = encapsulate_extended(encoded)
    made["PixelData"].VR = "OB"
    return file_bytes(made, JPEGLSLossless)


def many_fragments():
    made = dataset(pixels=INT16)
    encoded = imagecodecs.jpegls_encode(INT16.view(np.uint16))
    made.PixelData = encapsulate([encoded], fragments_per_frame=3)
    made["PixelData"].VR = "OB"
    return file_bytes(made, JPEGLSLossless)


def j2k(array):
    return imagecodecs.jpeg2k_encode(array, level=0, reversible=True, codecformat="j2k", mct=False)


KINDS = {
    "signed": (lambda: file_bytes(dataset(pixels=INT16)), INT16[None]),
    "implicit": (lambda: file_bytes(dataset(pixels=INT16), ImplicitVRLittleEndian), INT16[None]),
    "multi-frame": (lambda: file_bytes(dataset(pixels=UINT16)), UINT16),
    "odd length": (lambda: file_bytes(dataset(pixels=UINT8)), UINT8[None]),
    "big endian": (big_endian, UINT16),
    "deflated": (lambda: file_bytes(dataset(pixels=INT16), DeflatedExplicitVRLittleEndian), INT16[None]),
    "colour": (lambda: file_bytes(dataset(pixels=RGB)), RGB),
    "float": (float_pixels, FLOAT),
    "run length": (run_length, UINT16),
    "JPEG-LS": (lambda: compressed(UINT16, JPEGLSLossless, imagecodecs.jpegls_encode), UINT16),
    "JPEG-LS with extended offsets": (extended_offsets, UINT16),
    "JPEG-LS in fragments": (many_fragments, INT16[None]),
    "JPEG lossless": (lambda: compressed(UINT16, JPEGLosslessSV1, imagecodecs.ljpeg_encode), UINT16),
    "JPEG 2000": (lambda: compressed(UINT16, JPEG2000Lossless, j2k), UINT16),
    "JPEG 2000 colour": (lambda: compressed(RGB, JPEG2000Lossless, j2k), RGB),
    "JPEG 2000 signed": (lambda: compressed(INT16, JPEG2000Lossless, j2k), INT16[None]),
    "HTJ2K": (lambda: compressed(INT16, HTJ2KLosslessRPCL, imagecodecs.htj2k_encode), INT16[None]),
}


@pytest.fixture
def place(archive):
    """Call with a file's bytes to store it for one test; the path of its instance."""
    stored = []

    def store(data):
        stored.append(archive.store(data))
        return f"studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}"

    yield store
    archive.delete(uid(1))


@pytest.mark.parametrize("kind", KINDS)
def test_plain_samples(client, place, kind):
    make, truth = KINDS[kind]
    path = place(make())
    for number, frame in enumerate(truth, start=1):
        response = client.get(f"{path}/frames/{number}", headers={"accept": "application/octet-stream"})
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
        assert response.content == frame.astype(frame.dtype.newbyteorder("<")).tobytes()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "float"])
def test_htj2k(client, place, kind):
    """OpenJPEG, which shares no code with the encoder, decodes what was made."""
    make, truth = KINDS[kind]
    accept = {"accept": 'multipart/related; type="image/jphc"; transfer-syntax=1.2.840.10008.1.2.4.202'}
    response = client.get(f"{place(make())}/frames/{len(truth)}", headers=accept)
    assert response.status_code == 200, response.text
    body = response.content.split(b"\r\n\r\n", 1)[1]
    if kind == "HTJ2K":
        body = body[: body.rindex(b"\xff\xd9") + 2]
    np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(body), truth[-1])


def test_htj2k_is_in_the_order_its_transfer_syntax_promises(client, place):
    """PS3.5 section A.4.10: progression order RPCL (2 in COD), TLM markers, HT code blocks (bit 6 of SPcod style)."""
    path = place(file_bytes(dataset(pixels=INT16)))
    accept = {"accept": "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.202"}
    stream = client.get(f"{path}/frames/1", headers=accept).content
    markers = {}
    at = 2
    while stream[at : at + 2] != b"\xff\x90":
        length = int.from_bytes(stream[at + 2 : at + 4], "big")
        markers[stream[at : at + 2]] = stream[at + 4 : at + 2 + length]
        at += 2 + length
    cod = markers[b"\xff\x52"]
    assert cod[1] == 2
    assert cod[8] & 0x40
    assert cod[9] == 1  # the reversible 5/3 wavelet
    assert b"\xff\x55" in markers


def test_float_pixels_cannot_be_htj2k(client, place):
    response = client.get(f"{place(float_pixels())}/frames/1", headers={"accept": "image/jphc"})
    assert response.status_code == 406


def test_bit_packed_frames_that_begin_within_a_byte(client, place, parts_of):
    response = client.get(f"{place(bit_packed())}/frames/1,2,3")
    for (_, body), frame in zip(parts_of(response), BITS, strict=True):
        bits = np.unpackbits(np.frombuffer(body, np.uint8), bitorder="little")[: frame.size]
        np.testing.assert_array_equal(bits.reshape(frame.shape), frame)


def test_colour_by_plane_stays_by_plane(client, place):
    """Plain frames are what the metadata says they are: nothing is converted."""
    response = client.get(f"{place(planar())}/frames/2", headers={"accept": "application/octet-stream"})
    assert response.content == RGB[1].transpose(2, 0, 1).tobytes()


def test_subsampled_colour_is_given_as_it_is(client, place):
    made = dataset(pixels=RGB)
    put_pixels(made, RGB, "YBR_FULL_422")
    made.PixelData = bytes(range(256)) + bytes(2 * 13 * 11 * 2 - 256)
    response = client.get(f"{place(file_bytes(made))}/frames/2", headers={"accept": "application/octet-stream"})
    assert response.content == made.PixelData[13 * 11 * 2 :]


@pytest.mark.parametrize(
    ("kind", "media_type", "syntax"),
    [
        ("signed", "application/octet-stream", "1.2.840.10008.1.2.1"),
        ("big endian", "application/octet-stream", "1.2.840.10008.1.2.1"),
        ("run length", "image/dicom-rle", RLELossless),
        ("JPEG-LS", "image/jls", JPEGLSLossless),
        ("JPEG-LS in fragments", "image/jls", JPEGLSLossless),
        ("JPEG lossless", "image/jpeg", JPEGLosslessSV1),
        ("JPEG 2000", "image/jp2", JPEG2000Lossless),
        ("HTJ2K", "image/jphc", HTJ2KLosslessRPCL),
    ],
)
def test_as_stored(client, place, parts_of, kind, media_type, syntax):
    make, truth = KINDS[kind]
    data = make()
    accept = {"accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}
    response = client.get(f"{place(data)}/frames/{len(truth)}", headers=accept)
    ((part, body),) = parts_of(response)
    assert part["content-type"] == f"{media_type}; transfer-syntax={syntax}"
    if media_type == "application/octet-stream":
        assert body == truth[-1].tobytes()
    else:
        stored = pydicom.dcmread(io.BytesIO(data)).PixelData
        assert body.rstrip(b"\0") in stored or kind == "JPEG-LS in fragments"
    assert part["content-location"].endswith(f"/frames/{len(truth)}")


NATIVE = ("application/octet-stream", "1.2.840.10008.1.2.1")
STORED = ("image/jls", JPEGLSLossless)
HT = ("image/jphc", "1.2.840.10008.1.2.4.201")
JPEG2000 = ("image/jp2", JPEG2000Lossless)


@pytest.mark.parametrize(
    ("accept", "native", "jpegls"),
    [
        ("*/*", NATIVE, NATIVE),
        ("multipart/related", NATIVE, NATIVE),
        ('multipart/related; type="application/octet-stream"', NATIVE, NATIVE),
        ("multipart/related; type=application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1", NATIVE, NATIVE),
        ('multipart/related; type="*/*"; transfer-syntax=*', NATIVE, STORED),
        ('multipart/related; type="image/jls"', STORED, STORED),
        ('multipart/related; type="image/*"', None, STORED),
        ('multipart/related; type="image/png", multipart/related; type="image/jphc"; q=0.5', HT, HT),
        ('multipart/related; type="image/jls"; q=0.1, multipart/related; type="image/jphc"', HT, HT),
        ("application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.201", HT, HT),
        ("image/jphc", HT, HT),
        ("image/jp2", JPEG2000, JPEG2000),
        ("image/dicom-rle", ("image/dicom-rle", RLELossless), ("image/dicom-rle", RLELossless)),
        ("image/jpeg", ("image/jpeg", JPEGLosslessSV1), ("image/jpeg", JPEGLosslessSV1)),
        ("image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50", None, None),  # it always loses something
        ("text/html", None, None),
        ("application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.90", JPEG2000, JPEG2000),
        ("image/jls; q=0", None, None),
    ],
)
def test_negotiation(client, place, archive, accept, native, jpegls):
    for make, expected in ((KINDS["signed"][0], native), (KINDS["JPEG-LS"][0], jpegls)):
        response = client.get(f"{place(make())}/frames/1", headers={"accept": accept})
        if expected is None:
            assert response.status_code == 406
            assert "detail" in response.json()
        elif response.headers["content-type"].startswith("multipart"):
            assert f"Content-Type: {expected[0]}; transfer-syntax={expected[1]}".encode() in response.content[:300]
        else:
            assert response.headers["content-type"] == f"{expected[0]}; transfer-syntax={expected[1]}"
        archive.delete(uid(1))


def test_accept_can_be_a_query_parameter(client, place):
    path = place(KINDS["signed"][0]())
    response = client.get(f"{path}/frames/1", params={"accept": "application/octet-stream"})
    assert response.content == INT16.tobytes()


@pytest.mark.parametrize(
    ("frames", "status"), [("0", 404), ("4", 404), ("1,4", 404), ("x", 400), ("1,", 400), ("-1", 400), ("9" * 20, 400)]
)
def test_frames_that_are_not_there(client, place, frames, status):
    response = client.get(f"{place(KINDS['multi-frame'][0]())}/frames/{frames}")
    assert response.status_code == status


def test_several_frames_need_multipart(client, place, parts_of):
    path = place(KINDS["multi-frame"][0]())
    assert client.get(f"{path}/frames/3,1", headers={"accept": "application/octet-stream"}).status_code == 406
    bodies = [body for _, body in parts_of(client.get(f"{path}/frames/3,1"))]
    assert bodies == [UINT16[2].tobytes(), UINT16[0].tobytes()]


def test_no_pixels(client, place):
    response = client.get(f"{place(file_bytes(dataset(PixelData=None)))}/frames/1")
    assert response.status_code == 404


def test_pixels_that_cannot_be_decoded_are_406_and_still_given_as_stored(client, place, parts_of):
    path = place(compressed(INT16, JPEGLSLossless, lambda frame: b"\xff\xd8 this is not JPEG-LS "))
    response = client.get(f"{path}/frames/1", headers={"accept": "application/octet-stream"})
    assert response.status_code == 406
    assert "JPEG-LS" in response.json()["detail"]
    accept = {"accept": "multipart/related; type=image/jls"}
    ((_, body),) = parts_of(client.get(f"{path}/frames/1", headers=accept))
    assert body.startswith(b"\xff\xd8 this")


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_a_cut_off_htj2k_frame_is_not_made_up(client, place, keep):
    def cut_off(frame):
        data = imagecodecs.htj2k_encode(frame)
        return data[: int(keep * len(data))]

    path = place(compressed(INT16, HTJ2KLosslessRPCL, cut_off))
    assert client.get(f"{path}/frames/1", headers={"accept": "application/octet-stream"}).status_code == 406
    assert client.get(f"{path}/rendered").status_code >= 400
