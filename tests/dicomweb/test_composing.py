"""STOW-RS of metadata and bulk data that come apart (PS3.18 section 10.5.2)."""

import base64
import io
import json

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.encaps import get_frame
from tests.archive.samples import dataset, uid
from tests.properties import examples

from pellucid.dicomweb.dicom_xml import to_xml

CELLS = np.random.default_rng(0).integers(0, 4000, (13, 17)).astype(np.uint16)
IMAGE_ATTRIBUTES = [
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "SamplesPerPixel",
]
PLACE = f"studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}"


@pytest.fixture(autouse=True)
def empty(archive):
    yield
    archive.delete(uid(1))


def metadata(uri="pixels", without=(), **changes):
    made = dataset(pixels=CELLS, **changes)
    for keyword in ("PixelData", *without):
        delattr(made, keyword)
    found = made.to_json_dict()
    found["7FE00010"] = {"vr": "OW", "BulkDataURI": uri}
    return found


def request(*parts, kind="application/dicom+json"):
    lines = b"".join(
        b"--B0\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()).encode() + b"\r\n" + content + b"\r\n"
        for headers, content in parts
    )
    return {
        "content": lines + b"--B0--",
        "headers": {"content-type": f'multipart/related; type="{kind}"; boundary=B0'},
    }


def as_json(*data):
    return {"Content-Type": "application/dicom+json"}, json.dumps(data).encode()


def as_xml(data):
    return {"Content-Type": "application/dicom+xml; charset=utf-8"}, to_xml(data)


def bulk(content, media="application/octet-stream", location="pixels"):
    return {"Content-Type": media, "Content-Location": location}, content


def stored(client):
    response = client.get(PLACE, headers={"accept": "application/dicom; transfer-syntax=*"})
    return pydicom.dcmread(io.BytesIO(response.content))


@pytest.mark.parametrize("form", [as_json, as_xml])
def test_plain_samples(client, form):
    response = client.post("studies", **request(form(metadata(PatientName="Dü^Jané")), bulk(CELLS.tobytes())))
    assert response.status_code == 200, response.text
    assert response.json()["00081199"]["Value"][0]["00081155"]["Value"] == [uid(1, 1, 1)]
    got = stored(client)
    np.testing.assert_array_equal(got.pixel_array, CELLS)
    assert got.PatientName == "Dü^Jané"
    assert got.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"


DECODERS = {
    "JPEG-LS": imagecodecs.jpegls_decode,
    "JPEG 2000": imagecodecs.jpeg2k_decode,
    "JPEG lossless": imagecodecs.ljpeg_decode,
    "JPEG": imagecodecs.jpeg8_decode,
    "HTJ2K": imagecodecs.jpeg2k_decode,
}


def codestreams():
    small = (CELLS >> 4).astype(np.uint8)
    return {
        "JPEG-LS": ("image/jls", imagecodecs.jpegls_encode(CELLS), "1.2.840.10008.1.2.4.80", CELLS),
        "JPEG 2000": (
            "image/jp2",
            imagecodecs.jpeg2k_encode(CELLS, level=0, reversible=True, codecformat="j2k"),
            "1.2.840.10008.1.2.4.90",
            CELLS,
        ),
        "JPEG lossless": ("image/jpeg", imagecodecs.ljpeg_encode(CELLS), "1.2.840.10008.1.2.4.70", CELLS),
        "JPEG": ("image/jpeg", imagecodecs.jpeg8_encode(small, level=99), "1.2.840.10008.1.2.4.50", small),
        "HTJ2K": (
            "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.202",
            imagecodecs.htj2k_encode(CELLS, reversible=True, tlm=True),
            "1.2.840.10008.1.2.4.202",
            CELLS,
        ),
    }


@pytest.mark.parametrize("name", codestreams())
def test_coded_images_say_what_the_metadata_leave_out(client, name):
    media, stream, syntax, truth = codestreams()[name]
    told = metadata(without=[*IMAGE_ATTRIBUTES, "PhotometricInterpretation"])
    response = client.post("studies", **request(as_json(told), bulk(stream, media)))
    assert response.status_code == 200, response.text
    got = stored(client)
    assert got.file_meta.TransferSyntaxUID == syntax
    assert (got.Rows, got.Columns, got.PhotometricInterpretation) == (13, 17, "MONOCHROME2")
    cells = DECODERS[name](get_frame(got.PixelData, 0, number_of_frames=1))
    assert np.abs(cells.astype(int) - truth).max() <= (6 if name == "JPEG" else 0)


def colours():
    """Coded pictures in colour, and what their samples are then (PS3.5 sections 8.2.1, 8.2.4)."""
    picture = np.stack([CELLS >> 4, CELLS >> 5, CELLS >> 6], -1).astype(np.uint8)
    exact = {"level": 0, "codecformat": "j2k"}
    return {
        "J2K reversible": ("image/jp2", imagecodecs.jpeg2k_encode(picture, reversible=True, **exact), "YBR_RCT"),
        "J2K": ("image/jp2", imagecodecs.jpeg2k_encode(picture, level=40, codecformat="j2k"), "YBR_ICT"),
        "J2K as it is": ("image/jp2", imagecodecs.jpeg2k_encode(picture, reversible=True, mct=False, **exact), "RGB"),
        "JPEG": ("image/jpeg", imagecodecs.jpeg8_encode(picture, level=99), "YBR_FULL_422"),
    }


@pytest.mark.parametrize("told", ["RGB", None])
@pytest.mark.parametrize("name", colours())
def test_colours_are_those_of_the_coded_image(client, name, told):
    media, stream, photometric = colours()[name]
    described = metadata(without=IMAGE_ATTRIBUTES, PhotometricInterpretation=told)
    assert client.post("studies", **request(as_json(described), bulk(stream, media))).status_code == 200
    assert stored(client).PhotometricInterpretation == photometric


def test_several_parts_of_one_place_are_frames(client):
    frames = [np.roll(CELLS, n, 0) for n in range(3)]
    parts = [bulk(imagecodecs.jpegls_encode(frame), "image/jls") for frame in frames]
    assert client.post("studies", **request(as_json(metadata()), *parts)).status_code == 200
    got = stored(client)
    assert got.NumberOfFrames == 3
    np.testing.assert_array_equal(got.pixel_array, frames)


def test_a_film(client):
    film = b"\x00\x00\x00\x18ftypmp42" + bytes(999)
    told = metadata(NumberOfFrames="7")
    assert client.post("studies", **request(as_json(told), bulk(film, "video/mp4"))).status_code == 200
    got = stored(client)
    assert got.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.102"
    assert film in got.PixelData


def test_other_values_by_reference_and_inline(client):
    told = metadata()
    told["00091010"] = {"vr": "LO", "Value": ["MAKER"]}
    told["00091001"] = {"vr": "OB", "BulkDataURI": "http://elsewhere.example/private"}
    told["00091002"] = {"vr": "OB", "InlineBinary": base64.b64encode(b"abcd").decode()}
    private = bulk(b"p" * 5001, location="http://elsewhere.example/private")
    assert client.post("studies", **request(as_json(told), private, bulk(CELLS.tobytes()))).status_code == 200
    got = stored(client)
    assert got[0x00091001].value == b"p" * 5001 + b"\0"
    assert got[0x00091002].value == b"abcd"
    np.testing.assert_array_equal(got.pixel_array, CELLS)


def test_some_are_refused_and_the_others_stored(client):
    second = metadata("missing")
    second["00080018"]["Value"] = [uid(1, 1, 2)]
    third = metadata(InstanceNumber=3)
    third["00080018"]["Value"] = [uid(1, 1, 3)]
    third["00280010"]["Value"] = [99]
    response = client.post("studies", **request(as_json(metadata(), second, third), bulk(CELLS.tobytes())))
    assert response.status_code == 202
    failed = response.json()["00081198"]["Value"]
    assert [item["00081155"]["Value"][0] for item in failed] == [uid(1, 1, 2), uid(1, 1, 3)]
    assert failed[0]["00081197"]["Value"] == [0xC000]
    assert "no part of the request has this Content-Location" in response.headers["warning"]


def test_a_coded_image_that_contradicts_the_metadata(client):
    stream = imagecodecs.jpegls_encode(CELLS[:5])
    response = client.post("studies", **request(as_json(metadata()), bulk(stream, "image/jls")))
    assert response.status_code == 409
    assert "Rows: is 13; the coded image says 5" in response.headers["warning"]


def test_the_answer_as_xml(client):
    sent = request(as_json(metadata()), bulk(CELLS.tobytes()))
    sent["headers"]["accept"] = "application/dicom+xml"
    response = client.post(f"studies/{uid(1)}", **sent)
    assert response.headers["content-type"] == "application/dicom+xml"
    assert b'keyword="ReferencedSOPSequence"' in response.content
    assert client.post(f"studies/{uid(2)}", **request(as_json(metadata()), bulk(CELLS.tobytes()))).status_code == 409


def test_metadata_without_pixels_alone(client):
    told = metadata()
    del told["7FE00010"]
    for keyword in ("00280010", "00280011"):
        del told[keyword]
    told["00080016"]["Value"] = ["1.2.840.10008.5.1.4.1.1.88.11"]
    response = client.post("studies", content=json.dumps([told]), headers={"content-type": "application/dicom+json"})
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "change",
    [
        {"7FE00010": {"vr": "OW", "InlineBinary": "!"}},
        {"7FE00010": 5},
        {"7FE00010": {"vr": "OW", "BulkDataURI": None}},
        {"00100010": 5},
        {"00100010": {"vr": "PN", "Value": [{"Alphabetic": 5}]}},
        {"00100010": {"vr": "XX", "Value": [{}]}},
        {"00081140": {"vr": "SQ", "Value": [7]}},
        {"zzzz": {"vr": "LO"}},
        {"00280010": {"vr": "US", "Value": ["many"]}},
        {"00280010": {"vr": "US", "Value": [-1]}},
        {"00080018": {"vr": "UI", "Value": ["../../etc"]}},
        {"00080018": {"vr": "UI", "Value": [{}]}},
    ],
)
def test_malformed_metadata_refuse_one_instance(client, change):
    response = client.post("studies", **request(as_json({**metadata(), **change}), bulk(CELLS.tobytes())))
    assert response.status_code == 409, response.text


def test_deep_nesting_is_refused(client):
    data = {"00081140": {"vr": "SQ", "Value": []}}
    for _ in range(200):
        data = {"00081140": {"vr": "SQ", "Value": [data]}}
    response = client.post("studies", **request(as_json({**metadata(), **data}), bulk(CELLS.tobytes())))
    assert response.status_code == 409


WHOLE = request(as_json(metadata()), bulk(CELLS.tobytes()))


@settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
@given(st.data())
def test_mutated_requests_get_an_answer(client, archive, data):
    content = bytearray(WHOLE["content"])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["change", "cut", "repeat", "insert"]))
        if kind == "change":
            content[at] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del content[at : at + data.draw(st.integers(1, 50))]
        elif kind == "repeat":
            content[at:at] = content[max(0, at - 60) : at]
        else:
            content[at:at] = data.draw(st.sampled_from([b"\r\n", b"--B0", b'"', b"{", b"]", b"\0", b"\xff"]))
    response = client.post("studies", content=bytes(content), headers=WHOLE["headers"])
    assert response.status_code in (200, 202, 400, 409, 413, 415)
    for study in {match.study_instance_uid for match in archive.find(_everything())}:
        archive.delete(study)


def _everything():
    from pellucid.archive import Query

    return Query("study")
