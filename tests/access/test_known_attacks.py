"""Attacks that other archives and libraries were open to, tried here through the doors that an attacker comes in by.

Each test names the weakness it repeats; those of DIMSE's own messages are in tests/dimse/test_bad_partners.py.
"""

import gzip
import io
import json
import resource
import struct
import threading
import zipfile
import zlib

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.archive.samples import dataset, dicom, uid

from pellucid.archive import Archive, Query
from pellucid.errors import PellucidError
from pellucid.server import Settings, create_app

DICOM = {"content-type": "application/dicom"}
ESCAPES = ["../../../../tmp/escaped", "..\\..\\escaped", "/tmp/escaped", "a\0b", "....//escaped", "%2e%2e%2fescaped"]


@pytest.fixture
def client(tmp_path):
    app = create_app(Settings(data=tmp_path / "data", upload_bytes=4_000_000, upload_files=50))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path):
    """Where nothing but the archive's own folder may come to be."""
    yield tmp_path
    assert {path.name for path in tmp_path.iterdir()} <= {"data"}


def store(client, data):
    return client.post("/dicom-web/studies", content=data, headers=DICOM)


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def grown(work):
    """What an attack answers, and the memory it took at most beyond what was in use [MB]."""
    before = peak_mb()
    return work(), peak_mb() - before


def meta(*elements, declared=None):
    """A file of a file meta group and nothing else; `declared`: its length, where that lies."""
    body = b"".join(elements)
    length = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(body) if declared is None else declared)
    return bytes(128) + b"DICM" + length + body


def element(group, number, vr, value, length=None):
    size = len(value) if length is None else length
    if vr in (b"OB", b"UN", b"OW", b"SQ", b"UT"):
        return struct.pack("<HH2sHI", group, number, vr, 0, size) + value
    return struct.pack("<HH2sH", group, number, vr, size & 0xFFFF) + value


class TestTraversal:
    """CVE-2026-50003 (DCMTK C-GET), -52868 (DCMTK worklist), -56445 (pynetdicom qrscp), -32711 (pydicom FileSet)."""

    @pytest.mark.parametrize("name", ESCAPES)
    @pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID"])
    def test_identifiers_never_become_paths(self, client, folder, name, keyword):
        data = dicom(**{keyword: "1" * len(name)}).replace(b"1" * len(name), name.encode())
        answer = store(client, data)
        assert answer.status_code in (200, 409)
        names = [path.name for path in (folder / "data" / "objects").rglob("*") if path.is_file()]
        assert all(set(n.partition(".")[0]) <= set("0123456789abcdef") for n in names), names
        assert not list(folder.rglob("*escaped*"))

    @pytest.mark.parametrize("name", [*ESCAPES, "CON", "a" * 4000])
    def test_names_of_uploads_and_in_zip_files(self, client, folder, name):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(name.replace("\0", "_") + ".dcm", dicom())
        for given, data in ((name.replace("\0", "_"), dicom()), ("a.zip", packed.getvalue())):
            assert client.post("/api/uploads", files={"files": (given, data)}).status_code == 202
        wait(client)
        assert not list(folder.rglob("*escaped*"))

    @pytest.mark.parametrize("name", ["..%2f..%2f..%2fetc%2fpasswd", "../../../../etc/passwd", "assets/../../app.py"])
    def test_addresses(self, client, name):
        for root in ("/", "/dicom-web/studies/", "/api/jobs/", "/assets/"):
            answer = client.get(root + name)
            assert b"root:" not in answer.content
            assert b"import" not in answer.content[:2000] or "html" in answer.headers["content-type"]

    def test_a_dicomdir_that_points_elsewhere(self, client, folder):
        data = meta(element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0")) + element(
            4, 0x1500, b"CS", b"..\\..\\etc\\passwd "
        )
        client.post("/api/uploads", files={"files": ("DICOMDIR", data)})
        wait(client)
        assert client.get("/api/jobs").json()["jobs"][0]["state"] == "failed"


def wait(client):
    import time

    while any(job["state"] in ("queued", "running") for job in client.get("/api/jobs").json()["jobs"]):
        time.sleep(0.02)


class TestMeta:
    """CVE-2026-5437 (Orthanc: reads beyond the file meta), -3650 (GDCM: leak on an odd VR there)."""

    @pytest.mark.parametrize(
        "data",
        [
            meta(declared=0xFFFFFFFF),
            meta(declared=1),
            meta(element(2, 2, b"UI", b"1.2", length=0xFFFF)),
            meta(element(2, 0x102, b"OB", b"", length=0xFFFFFFFE)),
            meta(element(2, 0x10, b"UI", b"")),
            *(
                meta(element(2, 0x10, vr, b"1.2.840.10008.1.2.1\0"))
                for vr in (b"??", b"\0\0", b"ZZ", b"SQ", b"UN", b"PN")
            ),
            meta() + element(8, 0x18, b"UI", b"1.2", length=0xFFFE),
        ],
    )
    def test_lengths_and_kinds_that_lie(self, client, data):
        answer, mb = grown(lambda: [store(client, data) for _ in range(20)])
        assert {a.status_code for a in answer} == {409}
        assert mb < 50

    def test_nothing_leaks(self, tmp_path):
        """A hundred kilobytes that are refused five hundred times leave nothing behind."""
        data = meta(element(2, 0x10, b"ZZ", b"1.2.840.10008.1.2.1\0"), element(2, 0x102, b"OB", bytes(100_000)))
        with Archive(tmp_path / "data") as archive:

            def attack():
                for _ in range(500):
                    with pytest.raises(PellucidError):
                        archive.store(data)

            attack()
            assert grown(attack)[1] < 10


class TestBombs:
    """CVE-2026-5438, -5439 (Orthanc: gzip and zip bombs)."""

    def test_zip(self, client):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.dcm", bytes(200_000_000))
        answer, mb = grown(lambda: client.post("/api/uploads", files={"files": ("a.zip", packed.getvalue())}))
        wait(client)
        assert answer.status_code == 202
        job = client.get("/api/jobs").json()["jobs"][0]
        assert "zip bomb" in job["error"]
        assert mb < 150

    def test_zip_that_overlaps_itself(self, client):
        """Many entries of the directory that name one file."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a", bytes(1_000_000))
            archive.filelist *= 40
        client.post("/api/uploads", files={"files": ("a.zip", packed.getvalue())})
        wait(client)
        assert client.get("/api/jobs").json()["jobs"][0]["state"] == "failed"

    def test_deflated_data_set(self, tmp_path):
        packer = zlib.compressobj(wbits=-15)
        body = packer.compress(element(8, 5, b"CS", b"ISO_IR 192") + bytes(400_000_000)) + packer.flush()
        head = meta(element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1.99"))
        from pellucid.archive.archive import Limits

        with Archive(tmp_path / "data", limits=Limits(inflated_bytes=10_000_000)) as archive:

            def attack():
                with pytest.raises(PellucidError):
                    archive.store(head + body)

            assert grown(attack)[1] < 150

    def test_compressed_requests_are_not_expanded(self, client):
        data = gzip.compress(bytes(50_000_000))
        headers = {**DICOM, "content-encoding": "gzip"}
        answer, mb = grown(lambda: client.post("/dicom-web/studies", content=data, headers=headers))
        assert answer.status_code in (409, 415)
        assert mb < 60


class TestSizes:
    """CVE-2026-5440 (Orthanc: Content-Length allocated), -5441 (PMSCT), -5442 (UL overflow), -5443 … -5445 (LUTs)."""

    def test_an_announced_length_takes_no_memory(self, client):
        headers = {"content-length": str(1 << 50), "content-type": "application/json"}
        answer, mb = grown(lambda: client.post("/api/session", content=b"", headers=headers))
        assert answer.status_code == 413
        assert mb < 20

    @pytest.mark.parametrize(
        "changes",
        [
            {"Rows": 65535, "Columns": 65535},
            {"NumberOfFrames": "2147483647"},
            {"BitsAllocated": 64, "Rows": 60000},
            {"SamplesPerPixel": 65535},
            {"Rows": 0},
            {"BitsAllocated": 0},
        ],
    )
    def test_pictures_larger_than_their_data(self, client, changes):
        assert store(client, dicom(**changes)).status_code in (200, 409)
        at = f"/dicom-web/studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}"
        paths = ("/rendered", "/thumbnail", "/frames/1", "/frames/2147483647", "/bulkdata/7FE00010")
        answers, mb = grown(lambda: [client.get(at + path).status_code for path in paths])
        assert all(status < 600 and status not in (500,) for status in answers), answers
        assert mb < 200

    @pytest.mark.parametrize("descriptor", [[0, 0, 16], [256, 0, 16], [65535, 65535, 8], [1, 0, 99]])
    def test_palettes_shorter_than_they_say(self, client, descriptor):
        made = dict.fromkeys(f"{colour}PaletteColorLookupTableDescriptor" for colour in ("Red", "Green", "Blue"))
        data = dataset(PhotometricInterpretation="PALETTE COLOR", pixels=np.full((5, 7), 255, np.uint8))
        for name in made:
            setattr(data, name, descriptor)
            setattr(data, name.replace("Descriptor", "Data"), b"\1\0")
        buffer = io.BytesIO()
        data.save_as(buffer, implicit_vr=False, little_endian=True)
        stored = (
            bytes(128) + b"DICM" + meta(element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0"))[132:] + buffer.getvalue()
        )
        assert store(client, stored).status_code in (200, 409)
        at = f"/dicom-web/studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}/rendered"
        assert client.get(at).status_code in (200, 404, 406)


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
        answer = store(client, meta(element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0")) + body)
        assert answer.status_code == 409


def test_a_damaged_object_ends_no_thread(client):
    """Orthanc's server process ended with a request; here what follows is answered."""
    before = threading.active_count()
    for data in (b"", b"DICM", meta(), meta()[:131], dicom()[:-1], dicom()[:400]):
        store(client, data)
    assert store(client, dicom()).status_code == 200
    assert len(client.app.state.platform.archive.find(Query("study"))) == 1
    assert threading.active_count() < before + 50
