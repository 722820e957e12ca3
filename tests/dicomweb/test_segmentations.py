"""Segmentations as pictures: frames packed in every way, and a frame that shows something."""

import io
import zlib

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, SegmentationStorage
from tests.archive.samples import dataset, uid

from pellucid.codecs.syntaxes import DEFLATED_FRAMES

SERIES = f"studies/{uid(1)}/series/{uid(1, 1)}"
INSTANCE = f"instances/{uid(1, 1, 1)}"


@pytest.fixture
def store(archive):
    def put(made, transfer_syntax=ExplicitVRLittleEndian):
        made.file_meta = pydicom.dataset.FileMetaDataset()
        made.file_meta.TransferSyntaxUID = transfer_syntax
        made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
        made.file_meta.FileMetaInformationGroupLength = 0
        made.preamble = b"\0" * 128
        target = io.BytesIO()
        # pydicom does not know deflated frames: how the attributes are written must be said.
        pydicom.dcmwrite(target, made, implicit_vr=False, little_endian=True, force_encoding=True)
        archive.store(target.getvalue())

    yield put
    archive.delete(uid(1))


def masks(count=5, rows=30, columns=21):
    """Frames with as many marked rows as their number says, the fourth with all but one."""
    frames = np.zeros((count, rows, columns), np.uint8)
    for index in range(count):
        frames[index, : index + 1, 2:9] = 1
    frames[3, :-1] = 1
    return frames


def run_lengths(data):
    """A segment of literal runs alone (PS3.5 annex G.3), behind the header of one segment."""
    pieces = [data[start : start + 128] for start in range(0, len(data), 128)]
    coded = b"".join(bytes([len(piece) - 1]) + piece for piece in pieces)
    return np.array([1, 64, *[0] * 14], "<u4").tobytes() + coded + b"\0" * (len(coded) % 2)


def deflated(data):
    coder = zlib.compressobj(wbits=-15)
    coded = coder.compress(data) + coder.flush()
    return coded + b"\0" * (len(coded) % 2)


def segmentation(frames, pack=None):
    made = dataset(
        pixels=np.zeros(frames.shape[1:], np.uint16), Modality="SEG", RescaleSlope=None, RescaleIntercept=None
    )
    made.SOPClassUID = SegmentationStorage
    made.SegmentationType, made.NumberOfFrames = "BINARY", len(frames)
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 1, 1, 0, 0
    if pack is None:
        packed = np.packbits(frames.ravel(), bitorder="little").tobytes()
        made.PixelData = packed + b"\0" * (len(packed) % 2)
    else:
        made.PixelData = encapsulate([pack(np.packbits(f.ravel(), bitorder="little").tobytes()) for f in frames])
        made["PixelData"].VR = "OB"
    return made


def picture(client, path):
    response = client.get(f"{SERIES}/{path}", headers={"accept": "image/png"})
    assert response.status_code == 200, response.text
    return np.asarray(Image.open(io.BytesIO(response.content)))


@pytest.mark.parametrize(
    ("pack", "syntax"), [(None, ExplicitVRLittleEndian), (run_lengths, RLELossless), (deflated, DEFLATED_FRAMES)]
)
def test_every_frame_of_single_bits(client, store, pack, syntax):
    frames = masks()
    store(segmentation(frames, pack), syntax)
    for index, frame in enumerate(frames, 1):
        shown = picture(client, f"{INSTANCE}/frames/{index}/rendered")
        np.testing.assert_array_equal(shown, 255 * frame)


def test_the_thumbnail_is_of_the_fullest_frame(client, store):
    frames = masks()
    store(segmentation(frames))
    shown = picture(client, "thumbnail?viewport=21,30")
    np.testing.assert_array_equal(shown, 255 * frames[3])


def test_a_frame_that_is_wholly_marked_is_white(client, store):
    store(segmentation(np.ones((1, 8, 8), np.uint8)))
    assert picture(client, f"{INSTANCE}/rendered").min() == 255


def test_fractions(client, store):
    values = np.array([[0, 50], [100, 200]], np.uint16)
    made = dataset(pixels=values, Modality="SEG", RescaleSlope=None, RescaleIntercept=None)
    made.SOPClassUID = SegmentationStorage
    made.SegmentationType, made.MaximumFractionalValue = "FRACTIONAL", 200
    store(made)
    np.testing.assert_allclose(picture(client, f"{INSTANCE}/rendered"), [[0, 63.75], [127.5, 255]], atol=0.51)


def test_frames_that_are_cut_off_are_refused(client, store):
    store(segmentation(masks(), lambda data: deflated(data[:-40])), DEFLATED_FRAMES)
    response = client.get(f"{SERIES}/thumbnail")
    assert response.status_code == 406
    assert "cannot be decoded" in response.json()["detail"]


def test_real_segmentations_have_thumbnails(client, archive, real_data):
    """The liver of pydicom's test files, packed in nine ways, is one picture; two other makers' masks are not blank."""
    folder = real_data("dicom/pydicom_data")
    expected = pydicom.dcmread(folder / "liver.dcm").pixel_array
    fullest = expected[expected.sum(axis=(1, 2)).argmax()]
    livers = sorted(folder.glob("liver*.dcm"))
    assert len(livers) >= 5
    for file in livers:
        stored = archive.store(file)
        series = f"studies/{stored.study_instance_uid}/series/{stored.series_instance_uid}"
        response = client.get(f"{series}/thumbnail", headers={"accept": "image/png"})
        assert response.status_code == 200, f"{file.name}: {response.text}"
        shown = np.asarray(Image.open(io.BytesIO(response.content)), float) / 255
        assert shown.mean() == pytest.approx(fullest.mean(), rel=0.05), file.name
        archive.delete(stored.study_instance_uid)
    for place in ("trials/sr_seg/sr-example_seg.dcm", "trials/ibsi/ibsi_1_digital_phantom/dicom/mask/mask.dcm"):
        file = real_data(place)
        stored = archive.store(file)
        series = f"studies/{stored.study_instance_uid}/series/{stored.series_instance_uid}"
        response = client.get(f"{series}/thumbnail", headers={"accept": "image/png"})
        assert np.asarray(Image.open(io.BytesIO(response.content))).max() == 255, place
        archive.delete(stored.study_instance_uid)
