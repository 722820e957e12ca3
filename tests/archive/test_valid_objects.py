"""What the program writes is valid: one test over every writer, judged by David Clunie's dciodvfy.

Images as they are first written and captures are judged in tests/dicom and tests/capture; here is what is made of them.
"""

import io
import zlib

import pydicom
import pytest
from pydicom.filereader import read_file_meta_info
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from tests.capture.conftest import PATIENT
from tests.capture.videos import write
from tests.dicom.conftest import dciodvfy, make_image  # noqa: F401 (fixture)
from tests.dicomweb.test_composing import as_json, as_xml, bulk, request

from pellucid import dicomweb
from pellucid.archive import Archive, Policies, Query, StoreRefusedError
from pellucid.archive.corrections import Corrections
from pellucid.archive.exporting import export
from pellucid.capture import CaptureSettings, capture
from pellucid.codecs import Lossy, Options, named, transcode
from pellucid.dicom import write_series
from pellucid.dimse.file_format import data_set_start, file_head
from pellucid.server.old_dicom import with_header

KINDS = ("slice", "colour", "frames")
LOSSLESS = ("implicit", "big-endian", "deflated", "rle", "jpeg-lossless-sv1", "jpeg-ls", "jpeg2000", "htj2k")
LOSSY = ("jpeg", "jpeg-ls-near", "jpeg2000-any", "htj2k-any")
REFERENCED = ("1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.204", "1.2.840.10008.1.2.4.205")
EXPLICIT = "1.2.840.10008.1.2.1"
PLACE = (("studies", "0020000D"), ("series", "0020000E"), ("instances", "00080018"))
HELPERS = ("__init__", "composed", "store", "empty", "all")
NEWER = {
    **{f"1.2.840.10008.1.2.4.{last}": "1.2.840.10008.1.2.4.90" for last in ("201", "202")},
    "1.2.840.10008.1.2.4.203": "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.8.1": "1.2.840.10008.1.2.5",
    **dict.fromkeys(REFERENCED, REFERENCED[0]),
    "1.2.840.10008.1.2.1.99": EXPLICIT,
}
"""Transfer syntaxes that dciodvfy does not know (fragments would be rubbish to it), and those most like them."""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Files that are valid: a slice of CT, a picture in colour, and one of many frames, by their names."""
    folder = tmp_path_factory.mktemp("images")
    write_series(make_image("ct_hu", shape=(2, 48, 64)), folder / "ct")
    made = {"slice": min((folder / "ct").iterdir()).read_bytes()}
    video = write(folder / "a.mp4", count=4)
    for name, settings in (("colour", {"stills_s": (0.0,)}), ("frames", {"kind": "us"})):
        place = folder / name
        place.mkdir()
        (file,) = capture(video, PATIENT, CaptureSettings(**settings), place)
        made[name] = transcode(file, EXPLICIT)
    return made


@pytest.fixture
def judged(dciodvfy, tmp_path):  # noqa: F811
    """What dciodvfy finds in files, of which it must know the transfer syntax."""

    def judge(*files):
        places = []
        for number, data in enumerate(files):
            place = tmp_path / f"{number}.judged"
            place.write_bytes(data)
            place.write_bytes(_known(data, read_file_meta_info(place)))
            places.append(place)
        return dciodvfy(places)

    return judge


def _known(data, meta):
    """Deflated data sets as they are inflated; newer codes under the name of one that dciodvfy knows."""
    start, syntax = data_set_start(data), str(meta.TransferSyntaxUID)
    if syntax.endswith((".99", ".205")):
        data = data[:start] + zlib.decompress(data[start:], -15)
    head = file_head(
        sop_class_uid=meta.MediaStorageSOPClassUID,
        sop_instance_uid=meta.MediaStorageSOPInstanceUID,
        transfer_syntax=NEWER.get(syntax, syntax),
        source_title="JUDGE",
    )
    return head + data[start:]


@pytest.fixture
def archive(tmp_path):
    with Archive(tmp_path / "archive", policies=Policies(quarantine=True)) as opened:
        yield opened


@pytest.fixture
def client(archive):
    app = Starlette(routes=[Mount("/dicom-web", routes=dicomweb.routes(archive))])
    with TestClient(app, base_url="http://localhost/dicom-web/") as opened:
        yield opened


@pytest.mark.parametrize("kind", KINDS)
def test_the_judge_is_fed_with_valid_files(images, judged, kind):
    assert judged(images[kind]) == []


@pytest.mark.parametrize("syntax", ["explicit", "deflated", "htj2k"])
def test_the_judge_judges(images, judged, syntax):
    data, broken = pydicom.dcmread(io.BytesIO(images["slice"])), io.BytesIO()
    del data.PatientName
    data.save_as(broken)
    (found,) = judged(transcode(broken.getvalue(), named(syntax)))
    assert "PatientName" in found


@pytest.mark.parametrize(
    ("kind", "syntax"), [(kind, syntax) for kind in KINDS for syntax in LOSSLESS] + [("slice", "deflated-frames")]
)
def test_transcoded_without_loss(images, judged, kind, syntax):
    assert judged(transcode(images[kind], named(syntax))) == []


# JPEG and JPEG-LS that loses something hold no signed numbers, which the slice has.
@pytest.mark.parametrize(
    ("kind", "syntax"), [(kind, syntax) for kind in KINDS for syntax in LOSSY[2 * (kind == "slice") :]]
)
def test_transcoded_with_loss(images, judged, kind, syntax):
    assert judged(transcode(images[kind], named(syntax), Options(lossy=Lossy(ratio=4)))) == []


class Writers:
    """What is written from images that are in an archive, or come to it; each gives files."""

    def __init__(self, archive, client, images, folder):
        self.archive, self.client, self.images, self.folder = archive, client, images, folder

    def composed(self, form):
        for data in self.images.values():
            made = pydicom.dcmread(io.BytesIO(data))
            pixels = made.PixelData
            del made.PixelData
            described = {**made.to_json_dict(), "7FE00010": {"vr": "OW", "BulkDataURI": "pixels"}}
            sent = request(form(described), bulk(pixels))
            assert self.client.post("studies", **sent).status_code == 200
        return self.all()

    def from_metadata_as_json(self):
        return self.composed(as_json)

    def from_metadata_as_xml(self):
        return self.composed(as_xml)

    def from_metadata_and_coded_frames(self):
        for syntax, media in (("htj2k", "image/jphc"), ("jpeg-ls", "image/jls"), ("rle", "image/dicom-rle")):
            self.store()
            at = self.client.get("instances").json()
            parts, described = [], []
            for number, one in enumerate(at):
                place = "/".join(f"{level}/{one[tag]['Value'][0]}" for level, tag in PLACE)
                (found,) = self.client.get(f"{place}/metadata").json()
                found.pop("7FE00010")
                count = found.get("00280008", {"Value": [1]})["Value"][0]
                kind = f'multipart/related; type="{media}"; transfer-syntax={named(syntax)}'
                for frame in range(1, count + 1):
                    answer = self.client.get(f"{place}/frames/{frame}", headers={"accept": kind})
                    content = answer.content.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]
                    form = f"{media}; transfer-syntax={named(syntax)}"
                    parts.append(bulk(content, form, f"frames{number}"))
                described.append({**found, "7FE00010": {"vr": "OB", "BulkDataURI": f"frames{number}"}})
            for study in {one["0020000D"]["Value"][0] for one in at}:
                self.archive.delete(study)
            answer = self.client.post("studies", **request(as_json(*described), *parts))
            assert answer.status_code == 200, answer.text
            yield from self.all()
            self.empty()

    def corrected(self):
        for study in self.store():
            changes = {"PatientName": "Müller^Jörg", "PatientID": "P9", "StudyDate": "20260304"}
            Corrections(self.archive).correct(study, changes, reason="mistyped", made_by="ann")
        return self.all()

    def merged(self):
        self.store()
        Corrections(self.archive).merge("P1", "P-1", reason="the same person", made_by="ann")
        return self.all()

    def released_with_new_uids(self):
        self.store()
        for data in self.images.values():
            other = pydicom.dcmread(io.BytesIO(data))
            other.PatientComments, again = "another", io.BytesIO()
            other.save_as(again)
            with pytest.raises(StoreRefusedError):
                self.archive.store(again.getvalue())
        for kept in self.archive.quarantine.listing():
            self.archive.quarantine.release(kept.id, "new-uids")
        return self.all()

    def referred_to_by_jpip(self):
        self.store()
        for syntax in REFERENCED:
            kind = f"application/dicom; transfer-syntax={syntax}"
            for one in self.client.get("instances").json():
                place = "/".join(f"{level}/{one[tag]['Value'][0]}" for level, tag in PLACE)
                answer = self.client.get(place, headers={"accept": kind})
                assert answer.status_code == 200, answer.text
                yield answer.content

    def exported(self):
        export(self.archive, self.store(), self.folder / "medium")
        files = [path for path in (self.folder / "medium").rglob("*") if path.is_file()]
        assert "DICOMDIR" in {path.name for path in files}
        return [path.read_bytes() for path in files]

    def received_by_association(self):
        for data in self.images.values():
            meta = pydicom.dcmread(io.BytesIO(data)).file_meta
            names = {"sop_class_uid": meta.MediaStorageSOPClassUID, "sop_instance_uid": meta.MediaStorageSOPInstanceUID}
            head = file_head(**names, transfer_syntax=meta.TransferSyntaxUID, source_title="MODALITY")
            self.archive.store_received(data[data_set_start(data) :], file_meta=head)
        return self.all()

    def from_files_without_a_header(self):
        for data in self.images.values():
            old = self.folder / "old"
            old.write_bytes(data[data_set_start(data) :])
            yield with_header(old)

    def store(self):
        """All images; their studies."""
        return [self.archive.store(data).study_instance_uid for data in self.images.values()]

    def empty(self):
        for match in self.archive.find(Query("study")):
            self.archive.delete(match.study_instance_uid)

    def all(self):
        """All that is in the archive, as files."""
        studies = [match.study_instance_uid for match in self.archive.find(Query("study"))]
        return [self.archive.fetch(record) for study in studies for record in self.archive.instances(study)]


WAYS = [name for name, made in vars(Writers).items() if callable(made) and name not in HELPERS]


@pytest.mark.parametrize("way", WAYS)
def test_made_of_stored_images(archive, client, images, tmp_path, judged, way):
    files = list(getattr(Writers(archive, client, images, tmp_path), way)())
    assert len(files) >= len(images)
    assert judged(*files) == []
