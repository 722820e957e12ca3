"""Each rule is seen broken once."""

import pydicom
import pytest
from tests.dicom.conftest import KINDS, make_image

from pellucid.dicom import conformance, to_datasets
from pellucid.dicom.conformance import extensions


def broken(change, kind="ct_hu"):
    datasets = to_datasets(make_image(kind, (2, 4, 5)))
    change(datasets)
    return conformance(datasets)


def delete(keyword):
    return lambda datasets: delattr(datasets[0], keyword)


def put(keyword, value):
    return lambda datasets: setattr(datasets[0], keyword, value)


CASES = {
    "type 1 missing": (delete("ImageType"), "instance 1: ImageType: missing (type 1)"),
    "type 1 empty": (put("SamplesPerPixel", None), "instance 1: SamplesPerPixel: empty (type 1)"),
    "type 2 missing": (delete("AccessionNumber"), "instance 1: AccessionNumber: missing (type 2)"),
    "no class": (delete("SOPClassUID"), "instance 1: SOPClassUID: missing (type 1)"),
    "short pixels": (put("PixelData", b"1234"), "instance 1: PixelData: has 4 bytes; rows, columns, frames and bits"),
    "other study": (put("StudyInstanceUID", "2.25.1"), "StudyInstanceUID: differs within series"),
    "same UID twice": (
        lambda datasets: setattr(datasets[1], "SOPInstanceUID", datasets[0].SOPInstanceUID),
        "SOPInstanceUID: 2.25.",
    ),
    "in an item": (
        lambda datasets: delattr(datasets[0].ContributingEquipmentSequence[0], "Manufacturer"),
        "instance 1: ContributingEquipmentSequence.Manufacturer: missing (type 1)",
    ),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_broken_rule_is_named(name):
    change, message = CASES[name]
    found = broken(change)
    assert any(line.startswith(message) for line in found), found


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_nothing_to_say_of_good_instances(kind):
    assert broken(lambda datasets: None, kind) == []


def test_wrong_text_is_named():
    def change(datasets):
        datasets[0].add(pydicom.DataElement("StudyID", "SH", "x" * 17, validation_mode=pydicom.config.IGNORE))

    (line,) = broken(change)
    assert line.startswith("instance 1: StudyID: The value length (17) exceeds the maximum length of 16")


def test_wrong_representation_is_named():
    def change(datasets):
        datasets[0].add(pydicom.DataElement(0x00180060, "LO", "120"))

    assert broken(change) == ["instance 1: KVP: has value representation LO, expected DS"]


def test_unknown_class_is_named():
    (line,) = conformance([pydicom.Dataset()])
    assert line == "SOPClassUID: missing (type 1)"
    dataset = pydicom.Dataset()
    dataset.SOPClassUID = "1.2.3"
    (line,) = conformance([dataset])
    assert "not a SOP class of the standard's tables" in line
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.9.100.1"
    (line,) = conformance([dataset])
    assert "waveform-presentation-state-relationship, which the standard's tables lack" in line


def test_extensions_are_told_apart():
    dataset = to_datasets(make_image("mr_signal"))[0]
    assert extensions(dataset) == []
    dataset.DiffusionBValue = 1000.0
    assert extensions(dataset) == ["DiffusionBValue"]


def test_real_instances_are_judged(real_data):
    """TCIA Colorectal-Liver-Metastases: de-identified, yet complete."""
    path = sorted(real_data("dicom/ct_liver_crlm1004").glob("*.dcm"))[0]
    assert conformance([pydicom.dcmread(path)]) == []
