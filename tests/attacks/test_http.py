"""Names, sizes and nesting that come by HTTP: what made other servers write, allocate or recurse where they must not.

Published attacks have tests of their own beside this file; those of DIMSE's messages are in tests/dimse too.
"""

import io
import json
import struct
import threading
import zipfile

import numpy as np
import pydicom
import pytest
from tests.archive.samples import dataset, dicom, file_bytes, uid
from tests.attacks.files import DICOM, ESCAPES, EXPLICIT, element, grown, meta
from tests.attacks.jobs import upload

from pellucid.archive import Query
from pellucid.codecs import Lossy, Options, named, transcode
from pellucid.codecs.sandbox import Sandbox

SMOOTH = (np.add.outer(np.arange(40), np.arange(30)) * 3).astype(np.uint8)


def store(client, data):
    return client.post("/dicom-web/studies", content=data, headers=DICOM)


class TestNames:
    @pytest.mark.parametrize("name", [*ESCAPES, "CON", "a" * 4000])
    def test_names_of_uploads_and_in_zip_files(self, own_client, folder, name):
        packed, safe = io.BytesIO(), name.replace("\0", "_")
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(safe + ".dcm", dicom())
        for given, data in ((safe, dicom()), ("a.zip", packed.getvalue())):
            upload(own_client, given, data)
        assert not list(folder.rglob("*escaped*"))

    @pytest.mark.parametrize("name", ["..%2f..%2f..%2fetc%2fpasswd", "../../../../etc/passwd", "assets/../../app.py"])
    def test_addresses(self, client, name):
        for root in ("/", "/dicom-web/studies/", "/api/jobs/", "/assets/"):
            answer = client.get(root + name)
            assert b"root:" not in answer.content
            assert b"import" not in answer.content[:2000] or "html" in answer.headers["content-type"]


def with_number(data, tag, number):
    """The file with another number in an element of group 0028 (US)."""
    at = data.index(struct.pack("<HH", 0x28, tag) + b"US\2\0")
    return data[: at + 8] + struct.pack("<H", number) + data[at + 10 :]


class TestPicturesLargerThanTheirData:
    """Coded frames that are sound, of objects that lie about them: taken as they are, and refused when decoded."""

    LIES = ((0x10, 65535), (0x10, 9000), (0x11, 65535), (0x11, 31), (0x02, 3), (0x10, 0))

    @pytest.mark.parametrize(("tag", "claimed"), LIES)
    @pytest.mark.parametrize("codec", ["rle", "jpeg", "jpeg-ls", "jpeg2000", "htj2k"])
    def test_encapsulated(self, client, number, codec, tag, claimed, monkeypatch):
        reached, convert = [], Sandbox.convert

        def noted(self, *given):
            reached.append(given)
            return convert(self, *given)

        monkeypatch.setattr(Sandbox, "convert", noted)
        options = Options(lossy=Lossy() if codec == "jpeg" else None)
        data = transcode(file_bytes(dataset(number, pixels=SMOOTH)), named(codec), options)
        assert store(client, with_number(data, tag, claimed)).status_code == 200
        at = f"/dicom-web/studies/{uid(number)}/series/{uid(number, 1)}"
        at += f"/instances/{pydicom.dcmread(io.BytesIO(data)).SOPInstanceUID}"
        answers, mb = grown(lambda: [client.get(at + end) for end in ("/rendered", "/thumbnail", "/frames/1/rendered")])
        assert {answer.status_code for answer in answers} == {406}
        assert bool(reached) == (claimed > 0)  # no rows at all are refused before
        assert mb < 30

    @pytest.mark.parametrize("frames", ["2", "2147483647", "99999999999"])
    def test_more_frames_than_fragments(self, client, number, frames):
        data = transcode(file_bytes(dataset(number, pixels=np.stack([SMOOTH] * 3))), named("htj2k"))
        claimed = dataset(number, NumberOfFrames=frames)["NumberOfFrames"].value
        at = data.index(struct.pack("<HH", 0x28, 8) + b"IS\2\0")
        text = str(claimed).encode() + b" " * (len(str(claimed)) % 2)
        stored = store(client, data[: at + 6] + struct.pack("<H", len(text)) + text + data[at + 10 :])
        at = f"/dicom-web/studies/{uid(number)}/series/{uid(number, 1)}/instances/{uid(number, 1, 1)}"
        paths = ("/rendered", f"/frames/{frames}", "/frames/3", f"/frames/{frames}/rendered")
        answers, mb = grown(lambda: [client.get(at + path, headers={"accept": "*/*"}) for path in paths])
        assert stored.status_code in (200, 409)
        assert all(answer.status_code < 500 for answer in answers), answers
        assert mb < 30

    @pytest.mark.parametrize(
        "changes",
        [
            {"Rows": 65535, "Columns": 65535},
            {"NumberOfFrames": "2147483647"},
            {"BitsAllocated": 64, "Rows": 60000},
            {"SamplesPerPixel": 65535},
        ],
    )
    def test_native_ones_are_not_taken(self, client, number, changes):
        """Plain samples that are fewer than they are said to be are seen without decoding."""
        answer, mb = grown(lambda: store(client, dicom(number, **changes)))
        assert answer.status_code == 409
        assert mb < 20


class TestNesting:
    """Lists in lists, and sequences in sequences: the reader must not run out of stack."""

    @pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 200 + "]" * 200])
    def test_json(self, client, text):
        answer = client.post("/api/session", content=text, headers={"content-type": "application/json"})
        assert answer.status_code == 400
        assert "nested" in answer.json()["detail"]

    def test_brackets_in_strings_do_not_count(self, client):
        body = json.dumps({"name": "[" * 200 + '\\"', "password": "{" * 200})
        answer = client.post("/api/session", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 401

    def test_sequences(self, client):
        body = b""
        for _ in range(3000):
            body += element(8, 0x1115, b"SQ", b"", length=0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        answer = store(client, meta(element(2, 0x10, b"UI", EXPLICIT)) + body)
        assert answer.status_code == 409


def test_a_damaged_object_ends_no_thread(own_client):
    """Orthanc's server process ended with a request; here what follows is answered."""
    before = threading.active_count()
    for data in (b"", b"DICM", meta(), meta()[:131], dicom()[:-1], dicom()[:400]):
        store(own_client, data)
    assert store(own_client, dicom()).status_code == 200
    assert len(own_client.app.state.platform.archive.find(Query("study"))) == 1
    assert threading.active_count() < before + 50
