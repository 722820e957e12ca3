"""What Orthanc up to 1.12.10 was open to, tried through this server's doors: CVE-2026-5437 … 5445."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import UID
from tests.archive.samples import dataset, dicom, file_bytes, uid
from tests.attacks.files import DICOM, EXPLICIT, element, grown, meta
from tests.attacks.jobs import failed_job

RLE, JPEG, JPEG_LS, JPEG_2000, HTJ2K = (f"1.2.840.10008.1.2.{last}" for last in ("5", "4.50", "4.80", "4.90", "4.201"))
ENDINGS = ("/rendered", "/thumbnail", "/frames/1", "/frames/1/rendered")


def instance(number):
    return f"/dicom-web/studies/{uid(number)}/series/{uid(number, 1)}/instances/{uid(number, 1, 1)}"


def store(client, data):
    return client.post("/dicom-web/studies", content=data, headers=DICOM)


def coded(number, syntax, fragment, **changes):
    """An object whose only fragment is `fragment`."""
    made = dataset(number, **changes)
    made.PixelData = encapsulate([fragment])
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    return file_bytes(made, UID(syntax))


def run_lengths(*segments):
    """An RLE frame (PS3.5 annex G)."""
    starts = [64 + sum(map(len, segments[:number])) for number in range(len(segments))]
    return struct.pack("<16I", len(segments), *starts, *[0] * (15 - len(segments))) + b"".join(segments)


def refused(client, number):
    """That everything that decodes the stored instance says that it cannot, and takes no memory."""
    at, anything = instance(number), {"accept": "*/*"}
    answers, mb = grown(lambda: [client.get(at + ending, headers=anything) for ending in ENDINGS])
    as_samples = {"accept": 'multipart/related; type="application/octet-stream"'}
    answers.append(client.get(f"{at}/frames/1", headers=as_samples))
    statuses = [answer.status_code for answer in answers]
    assert statuses[0] == statuses[1] == statuses[3] == statuses[4] == 406, statuses
    assert mb < 40


class TestMeta:
    @pytest.mark.parametrize(
        "data",
        [
            meta(declared=0xFFFFFFFF),
            meta(declared=1),
            meta(element(2, 2, b"UI", b"1.2", length=0xFFFF)),
            meta(element(2, 0x102, b"OB", b"", length=0xFFFFFFFE)),
            meta(element(2, 0x10, b"UI", b"")),
            meta() + element(8, 0x18, b"UI", b"1.2", length=0xFFFE),
            meta(element(2, 0x10, b"UI", EXPLICIT))[:-1],
        ],
    )
    def test_cve_2026_5437_reads_beyond_the_file_meta(self, client, data):
        """Lengths in the file meta group that end behind it, or behind the file."""
        answers, mb = grown(lambda: [store(client, data) for _ in range(20)])
        assert {answer.status_code for answer in answers} == {409}
        assert mb < 20


class TestBombs:
    def test_cve_2026_5438_gzip_bomb(self, client):
        """A request whose Content-Encoding is gzip and that would expand to a thousand times its size."""
        data = gzip.compress(bytes(50_000_000))
        for path in ("/dicom-web/studies", "/api/uploads", "/dicom-web/workitems", "/api/session"):
            headers = {**DICOM, "content-encoding": "gzip"}
            answer, mb = grown(lambda path=path, headers=headers: client.post(path, content=data, headers=headers))
            assert answer.status_code in (400, 409, 415, 422), path
            assert mb < 20

    def test_cve_2026_5439_zip_bomb(self, client):
        """A zip file that expands to more than is accepted."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.dcm", bytes(200_000_000))
        error, mb = grown(lambda: failed_job(client, packed.getvalue()))
        assert "zip bomb" in error
        assert mb < 60

    @pytest.mark.parametrize("declared", [0xFFFFFFFE, 0])
    def test_cve_2026_5439_zip_file_that_lies_about_sizes(self, client, declared):
        """Uncompressed sizes in a zip file's directory, far too large (to allocate) or none."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.dcm", bytes(70_000_000))
        data = packed.getvalue().replace(struct.pack("<I", 70_000_000), struct.pack("<I", declared))
        error, mb = grown(lambda: failed_job(client, data))
        assert "zip" in error or "DICOM" in error
        assert mb < 60

    def test_cve_2026_5439_zip_file_that_overlaps_itself(self, client):
        """Many entries of the directory that name one file."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a", bytes(1_000_000))
            archive.filelist *= 40
        assert failed_job(client, packed.getvalue())


class TestSizes:
    @pytest.mark.parametrize("length", [1 << 50, (1 << 63) - 1])
    @pytest.mark.parametrize("path", ["/api/session", "/dicom-web/studies", "/api/uploads", "/dicom-web/workitems"])
    def test_cve_2026_5440_an_announced_length_takes_no_memory(self, client, path, length):
        """A Content-Length of petabytes."""
        headers = {"content-length": str(length), "content-type": "application/json"}
        answer, mb = grown(lambda: client.post(path, content=b"", headers=headers))
        assert answer.status_code in (400, 413, 415)
        assert mb < 10

    @pytest.mark.parametrize("rows", [0x10000, 0x10005, 0x7FFFFFFF, 0xFFFFFFFF])
    def test_cve_2026_5442_dimensions_as_unsigned_long(self, client, number, rows):
        """Rows and Columns of 32 bits, whose product is little in 32 bits: more than there is room for."""
        data = coded(number, RLE, run_lengths(b"\x22" + bytes(35), b"\x22" + bytes(35)))
        for tag, value, claimed in ((0x10, 5, rows), (0x11, 7, 0x10000)):
            short = element(0x28, tag, b"US", struct.pack("<H", value))
            assert short in data
            data = data.replace(short, element(0x28, tag, b"UL", struct.pack("<I", claimed)))
        if store(client, data).status_code == 200:
            refused(client, number)

    @pytest.mark.parametrize("syntax", [RLE, JPEG, JPEG_LS, JPEG_2000, HTJ2K])
    @pytest.mark.parametrize("bits", [8, 16])
    def test_cve_2026_5443_palette_colour_of_more_pixels_than_32_bits_count(self, client, number, syntax, bits):
        """65535 × 65535 indices, which in 32 bits are few."""
        made = {"Rows": 65535, "Columns": 65535, "PhotometricInterpretation": "PALETTE COLOR"}
        made |= {"BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1}
        for colour in ("Red", "Green", "Blue"):
            made[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 8]
            made[f"{colour}PaletteColorLookupTableData"] = bytes(256)
        assert store(client, coded(number, syntax, run_lengths(b"\x7f" + bytes(128)), **made)).status_code == 200
        refused(client, number)

    @pytest.mark.parametrize("syntax", [RLE, JPEG, JPEG_LS, JPEG_2000, HTJ2K])
    def test_cve_2026_5444_portable_arbitrary_map(self, client, number, syntax):
        """A PAM picture whose width × height × depth overflows 32 bits, as the frame of an object."""
        picture = b"P7\nWIDTH 65536\nHEIGHT 65536\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n" + bytes(64)
        assert store(client, coded(number, syntax, picture)).status_code == 200
        refused(client, number)

    def test_cve_2026_5444_portable_arbitrary_map_as_a_file(self, client):
        """The same picture uploaded by itself: nothing here reads it."""
        picture = b"P7\nWIDTH 65536\nHEIGHT 65536\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n" + bytes(64)
        error, mb = grown(lambda: failed_job(client, picture, "picture.pam"))
        assert error
        assert mb < 20


class TestEndsOfCode:
    @pytest.mark.parametrize("end", [b"\xa5", b"\xa5\x01", b"\x5a", b"\x5a\x01", b"\xa5\xff\x5a"])
    def test_cve_2026_5441_philips_compression(self, client, number, end):
        """PMSCT_RLE1, in private elements, that ends within an escape: it is given as it came, and not decoded."""
        value = bytes(range(1, 30)) + end
        value += b"\0" * (len(value) % 2)
        made = dataset(number)
        del made.PixelData
        made.add_new(0x07A10010, "LO", "ELSCINT1")
        made.add_new(0x07A1100A, "OB", value * 60)
        made.add_new(0x07A11011, "CS", "PMSCT_RLE1")
        assert store(client, file_bytes(made)).status_code == 200
        statuses = [client.get(instance(number) + ending, headers={"accept": "*/*"}).status_code for ending in ENDINGS]
        assert statuses == [404] * 4
        given = client.get(f"{instance(number)}/bulkdata/07A1100A", headers={"accept": "application/octet-stream"})
        assert given.content == value * 60

    @pytest.mark.parametrize("end", [b"\xfe", b"\x7f", b"\x7f\x01", b"\x80", b""])
    def test_cve_2026_5441_run_lengths(self, client, number, end):
        """The same in RLE Lossless: a run whose value, or a literal whose bytes, lie behind the end."""
        whole, short = b"\x22" + bytes(35), b"\x1f" + bytes(32)  # 35 pixels, and 32 of them
        assert store(client, coded(number, RLE, run_lengths(whole, short + end))).status_code == 200
        refused(client, number)


class TestPalettes:
    @pytest.mark.parametrize("first", [0, 3])
    def test_cve_2026_5445_indices_beyond_the_palette(self, client, number, first):
        """Pixels up to 255 and a palette of four colours: what lies behind it is never shown."""
        pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
        made = dataset(number, pixels=pixels, PhotometricInterpretation="PALETTE COLOR")
        for start, colour in ((0, "Red"), (10, "Green"), (20, "Blue")):
            setattr(made, f"{colour}PaletteColorLookupTableDescriptor", [4, first, 8])
            setattr(made, f"{colour}PaletteColorLookupTableData", bytes(range(start, start + 4)))
        assert store(client, file_bytes(made)).status_code == 200
        answer = client.get(f"{instance(number)}/rendered", headers={"accept": "image/png"})
        assert answer.status_code == 200
        shown = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB")).reshape(-1, 3)
        assert {tuple(map(int, colour)) for colour in shown} == {(n, 10 + n, 20 + n) for n in range(4)}

    @pytest.mark.parametrize("descriptor", [[0, 0, 16], [256, 0, 16], [65535, 65535, 8], [1, 0, 99], [4, 0, 8]])
    @pytest.mark.parametrize("data", [b"", b"\1\0"])
    def test_cve_2026_5445_palettes_shorter_than_they_say(self, client, number, descriptor, data):
        """A descriptor of more entries than there are."""
        made = dataset(number, pixels=np.full((5, 7), 255, np.uint8), PhotometricInterpretation="PALETTE COLOR")
        body = io.BytesIO()
        for colour in ("Red", "Green", "Blue"):
            setattr(made, f"{colour}PaletteColorLookupTableDescriptor", descriptor)
            setattr(made, f"{colour}PaletteColorLookupTableData", data)
        made.save_as(body, implicit_vr=False, little_endian=True)
        assert store(client, meta(element(2, 0x10, b"UI", EXPLICIT)) + body.getvalue()).status_code == 200
        assert client.get(f"{instance(number)}/rendered").status_code in (200, 406)

    @pytest.mark.parametrize("descriptor", [[0, 0, 16], [256, 0, 16], [65535, 65535, 16], [1, 0, 99], [4, 0, 0]])
    @pytest.mark.parametrize("sequence", ["VOILUTSequence", "ModalityLUTSequence"])
    def test_cve_2026_5445_grey_tables_shorter_than_they_say(self, client, number, descriptor, sequence):
        """The same of the tables of grey values."""
        made = dataset(number, RescaleSlope=None, RescaleIntercept=None)
        made_item = type(made)()
        made_item.LUTDescriptor, made_item.LUTData = descriptor, [1]
        made_item.ModalityLUTType = "US"
        made_item["LUTData"].VR = "US"
        setattr(made, sequence, [made_item])
        assert store(client, file_bytes(made)).status_code == 200
        assert client.get(f"{instance(number)}/rendered").status_code in (200, 406)


def test_what_comes_after_all_of_them_is_served(client, number):
    """Orthanc's process ended with a request."""
    assert store(client, dicom(number)).status_code == 200
    assert client.get(f"{instance(number)}/rendered").status_code == 200
