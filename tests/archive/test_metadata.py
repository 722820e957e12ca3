"""The DICOM JSON that is kept: everything but bulk data, in PS3.18's form."""

import json

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian
from tests.archive.samples import dataset, dicom, file_bytes, uid

from pellucid.archive import StoreRefusedError
from pellucid.archive.metadata import folded

PLACE = f"/studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}/bulkdata"


def kept(archive, data):
    archive.store(data)
    (text,) = archive.attributes(uid(1))
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_attributes_by_tag(archive):
    item = Dataset()
    item.CodeValue = "113100"
    result = kept(archive, dicom(DeidentificationMethodCodeSequence=[item], WindowCenter=[40.5, 600], PatientAge=""))
    assert result["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}
    assert result["00281050"] == {"vr": "DS", "Value": [40.5, 600]}
    assert result["00200013"] == {"vr": "IS", "Value": [1]}
    assert result["00101010"] == {"vr": "AS"}
    assert result["00120064"]["Value"] == [{"00080100": {"vr": "SH", "Value": ["113100"]}}]
    assert result["7FE00010"] == {"vr": "OW", "BulkDataURI": f"{PLACE}/7FE00010"}
    assert result["00083002"] == {"vr": "UI", "Value": ["1.2.840.10008.1.2.1"]}
    assert not [tag for tag in result if tag.startswith("0002")]


def test_character_sets_become_unicode(archive):
    made = dataset(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")
    result = kept(archive, file_bytes(made))
    assert result["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]
    assert result["00080005"]["Value"] == ["ISO_IR 192"]


def test_long_binary_values_are_given_by_reference_short_ones_inline(archive):
    item = Dataset()
    item.add_new(0x00091010, "OB", bytes(2000))
    made = dataset(RequestAttributesSequence=[item])
    made.add_new(0x00090010, "LO", "MINE")
    made.add_new(0x00091001, "OB", b"abcd")
    made.add_new(0x00091002, "OB", bytes(5000))
    result = kept(archive, file_bytes(made))
    assert result["00091001"] == {"vr": "OB", "InlineBinary": "YWJjZA=="}
    assert result["00091002"] == {"vr": "OB", "BulkDataURI": f"{PLACE}/00091002"}
    assert result["00400275"]["Value"][0]["00091010"]["BulkDataURI"] == f"{PLACE}/00400275/0/00091010"


def test_numbers_that_json_lacks_are_words(archive):
    centre = [1.0, float("nan"), float("inf")]
    result = kept(archive, dicom(ReconstructionTargetCenterPatient=centre))
    assert result["00189318"]["Value"] == [1.0, "nan", "inf"]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_other_native_syntaxes(archive, syntax):
    pixels = np.arange(2000, dtype=np.uint16).reshape(40, 50)
    made = dataset(pixels=pixels)
    if syntax == ExplicitVRBigEndian:
        made.PixelData = pixels.astype(">u2").tobytes()
    data = file_bytes(made, syntax)
    result = kept(archive, data)
    assert result["00100020"]["Value"] == ["P1"]
    (record,) = archive.instances(uid(1))
    assert data[record.pixel_offset :][: record.pixel_length] == made.PixelData


def test_deflated_pixels_are_known_to_be_out_of_reach(archive):
    archive.store(file_bytes(dataset(), DeflatedExplicitVRLittleEndian))
    (record,) = archive.instances(uid(1))
    assert (record.pixel_tag, record.pixel_offset) == ("7FE00010", -1)


def test_names_fold():
    assert folded("Müller^Jörg^^Dr.") == "muller^jorg^^dr."
    assert folded("DOE^JOHN^^^") == "doe^john"
    assert folded("A^B==ア^イ") == folded("a^b==ア^イ")


def test_real_files_are_kept_whole(archive, real_data):
    """Whatever odd values files hold, one unreadable element must not lose the others (pydicom/pydicom-data)."""
    stored, refusals = 0, []
    for file in sorted(real_data("dicom/pydicom_data").rglob("*.dcm")):
        try:
            result = archive.store(file)
        except StoreRefusedError as error:
            refusals.append(f"{file.name}: {error}")
            continue
        (record,) = archive.instances(result.study_instance_uid)
        assert archive.fetch(record) == file.read_bytes()
        json.loads(archive.attributes(result.study_instance_uid)[0])
        archive.delete(result.study_instance_uid)  # many of the files share one UID
        stored += 1
    expected = ("is missing", "not a UID", "not a DICOM file", "truncated")
    assert [text for text in refusals if not any(words in text for words in expected)] == []
    assert stored >= 65
