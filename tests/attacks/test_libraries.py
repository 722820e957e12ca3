"""What pydicom, pynetdicom and GDCM were open to, tried through the doors of this archive that do the same work."""

import io
import socket
import struct
import tracemalloc
import zipfile
import zlib

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from tests.archive.samples import CT_STORAGE, dataset, dicom, file_bytes
from tests.attacks.files import DICOM, ESCAPES, EXPLICIT, element, grown, meta
from tests.attacks.jobs import upload
from tests.dimse.conftest import listening
from tests.fuzz.test_associations import converse, echo, message, pdu, request

from pellucid.archive import Archive, Query
from pellucid.archive.archive import Limits
from pellucid.cli.app import run as pellucid
from pellucid.dimse.limits import NetworkLimits
from pellucid.errors import PellucidError

DEFLATED = b"1.2.840.10008.1.2.1.99"
KINDS = (b"??", b"\0\0", b"ZZ", b"SQ", b"UN", b"PN", b"OB")


class TestGdcm:
    @pytest.mark.parametrize("vr", KINDS)
    def test_cve_2026_3650_odd_representations_in_the_file_meta(self, client, vr):
        """Leak: an element of the file meta group in a value representation that is none, or not its own."""
        data = meta(element(2, 0x10, vr, EXPLICIT), element(2, 0x102, vr, b"x", length=0xFFF0))
        answers, mb = grown(lambda: [client.post("/dicom-web/studies", content=data, headers=DICOM) for _ in range(20)])
        assert {answer.status_code for answer in answers} == {409}
        assert mb < 20

    def test_cve_2026_3650_nothing_leaks(self, archive):
        """A hundred kilobytes that are refused five hundred times leave nothing behind."""
        data = meta(element(2, 0x10, b"ZZ", EXPLICIT), element(2, 0x102, b"OB", bytes(100_000)))

        def attack():
            for _ in range(500):
                with pytest.raises(PellucidError):
                    archive.store(data)

        attack()
        assert grown(attack)[1] < 10


def directory(*names):
    """A DICOMDIR with one record of an image, whose Referenced File ID is `names`."""
    made, record = Dataset(), Dataset()
    made.FileSetID = ""
    record.OffsetOfTheNextDirectoryRecord = record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    record.RecordInUseFlag, record.DirectoryRecordType = 0xFFFF, "IMAGE"
    record.ReferencedFileID = list(names)
    record.ReferencedSOPClassUIDInFile, record.ReferencedSOPInstanceUIDInFile = CT_STORAGE, "1.2.3"
    record.ReferencedTransferSyntaxUIDInFile = ImplicitVRLittleEndian
    made.DirectoryRecordSequence = [record]
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.1.3.10", "1.2.4"
    return file_bytes(made)


@pytest.mark.filterwarnings("ignore:Invalid value")
@pytest.mark.parametrize("way", [("..", "secret"), ("/", "secret"), ("IM", "..", "..", "secret")])
class TestFileSets:
    """CVE-2026-32711 (pydicom's FileSet): a DICOMDIR whose records name files outside of its own folder."""

    @pytest.fixture
    def medium(self, tmp_path, way):
        """A medium, and beside it what must not be read, moved or removed."""
        for place in (tmp_path, tmp_path / "all"):
            place.mkdir(exist_ok=True)
            (place / "secret").write_bytes(dicom(9, 1, 1, PatientName="Secret^Person"))
        made = tmp_path / "all" / "medium"
        made.mkdir()
        (made / "DICOMDIR").write_bytes(directory(*way))
        (made / "IM0").write_bytes(dicom(1, 1, 1))
        return made

    def test_cve_2026_32711_import_of_a_medium(self, medium, tmp_path):
        assert pellucid(["import", str(medium), "--how", "move", "--data", str(tmp_path / "data")]) == 0
        with Archive(tmp_path / "data") as archive:
            assert [match.study_instance_uid for match in archive.find(Query("study"))] == ["1.2.826.0.1.1"]
        assert (tmp_path / "secret").exists()
        assert (tmp_path / "all" / "secret").exists()

    def test_cve_2026_32711_upload_of_a_medium(self, client, number, way):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("medium/DICOMDIR", directory(*way))
            archive.writestr("medium/IM0", dicom(number, 1, 1))
        job = upload(client, "medium.zip", packed.getvalue())
        assert job["state"] == "done", job
        assert client.get("/dicom-web/studies?PatientName=Secret*").status_code == 204

    def test_cve_2026_32711_export_of_what_is_named_so(self, tmp_path, way):
        """The other way round: identifiers that are paths do not become names on a medium."""
        name = "/".join(way)
        with Archive(tmp_path / "data") as archive:
            archive.store(dicom(1, 1, 1, PatientID=name, StudyID=name[:16], PatientName=name))
        command = ["archive", "export", "1.2.826.0.1.1", "-o", str(tmp_path / "out"), "--data", str(tmp_path / "data")]
        assert pellucid(command) == 0
        files = [path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()]
        assert sorted(path.name for path in files) == ["DICOMDIR", "IM000000"]
        assert {path.name for path in tmp_path.iterdir()} == {"data", "out"}


class TestNetwork:
    @pytest.mark.parametrize("name", ESCAPES)
    @pytest.mark.parametrize("keyword", ["SOPInstanceUID", "PatientID"])
    def test_cve_2026_56445_identifiers_of_a_c_store(self, archive, listener, tmp_path, name, keyword):
        """Traversal: pynetdicom's qrscp made the paths of what it stored from identifiers in it."""
        made = dataset(**{keyword: "1" * len(name)})
        placed = message(CT_STORAGE, 1, made, AffectedSOPInstanceUID=made.SOPInstanceUID, Priority=0)
        words = b"".join(placed).replace(b"1" * len(name), name.encode())
        heard = converse(listener.port, request(who=b"") + words + pdu(5, bytes(4)))
        assert heard == [2, 4, 6]
        assert_no_names_of_others(archive.folder, tmp_path)

    @pytest.mark.parametrize("name", ESCAPES)
    @pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID"])
    def test_cve_2026_56445_identifiers_of_a_stow(self, client, number, name, keyword):
        """The same by HTTP."""
        data = dicom(number, **{keyword: "1" * len(name)}).replace(b"1" * len(name), name.encode())
        answer = client.post("/dicom-web/studies", content=data, headers=DICOM)
        assert answer.status_code in (200, 409)
        place = client.app.state.platform.archive.folder
        assert_no_names_of_others(place, place.parent)

    @pytest.mark.parametrize("kind", [1, 2, 4, 5, 7])
    def test_pynetdicom_1086_lengths_of_pdus(self, archive, kind):
        """Memory exhaustion: a PDU that is said to be 4 GB long; nothing is allocated for it, and nobody waits."""
        with listening(archive, limits=NetworkLimits(association_request_s=1, message_s=1, idle_s=1)) as quick:
            tracemalloc.start()
            for start in (b"", request(who=b"")):
                with socket.create_connection(("127.0.0.1", quick.port), timeout=10) as link:
                    link.sendall(start + struct.pack(">BBI", kind, 0, 0xFFFFFFFF) + bytes(1000))
                    while link.recv(1 << 16):
                        pass
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
            tracemalloc.stop()
            assert echo(quick.port) == 0

    def test_pynetdicom_1086_deflated_data_sets(self, tmp_path):
        """Decompression bomb: a deflated data set of 400 MB in 400 kB is given up where the limit is reached."""
        packer = zlib.compressobj(wbits=-15)
        body = packer.compress(element(8, 5, b"CS", b"ISO_IR 192") + bytes(400_000_000)) + packer.flush()
        head = meta(element(2, 0x10, b"UI", DEFLATED))
        with Archive(tmp_path / "data", limits=Limits(inflated_bytes=10_000_000)) as archive:

            def attack():
                with pytest.raises(PellucidError, match="inflate"):
                    archive.store(head + body)

            assert grown(attack)[1] < 60


def assert_no_names_of_others(data, around):
    """Objects are named by their content alone, and nothing lies where it must not."""
    names = [path.name for path in (data / "objects").rglob("*") if path.is_file()]
    assert all(set(name.partition(".")[0]) <= set("0123456789abcdef") for name in names), names
    assert not list(around.rglob("*escaped*"))
