"""An assumed position in the patient: said in every object, read back exactly, valid for an outside judge."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest
from tests.dicom.conftest import make_image, oblique_affine

from pellucid.dicom import conformance, from_datasets, read_nifti, read_series, to_datasets, write_nifti, write_series
from pellucid.study import POSITION_ASSUMED
from pellucid.testing.same_image import image_gap


def assumed(kind, **changes):
    image = make_image(kind, (3, 9, 11), affine=oblique_affine(), **changes)
    return replace(image, study=image.study.with_assumed_position())


def only(images):
    assert len(images) == 1
    return images[0]


def test_it_reads_back_exactly_and_the_files_are_valid(kind, tmp_path, dciodvfy):
    image = assumed(kind)
    paths = write_series(image, tmp_path)
    assert dciodvfy(paths) == []
    assert conformance([pydicom.dcmread(path) for path in paths]) == []
    back = only(read_series(tmp_path))
    assert back.position_assumed
    assert back.study == image.study
    assert back.description == image.description
    assert image_gap(back, image)[0] < 1e-6
    assert "PositionReferenceIndicator" not in back.attributes
    assert back.attributes.get("ImageComments") == image.attributes.get("ImageComments")
    again = only(from_datasets(to_datasets(back)))
    assert (again.attributes, again.description, again.study) == (back.attributes, back.description, back.study)


def test_every_instance_says_it_in_words_that_programs_show(kind):
    for dataset in to_datasets(assumed(kind)):
        assert dataset.SeriesDescription.endswith("(position assumed)")
        assert dataset.ImageComments.startswith(POSITION_ASSUMED)
        assert dataset.DerivationDescription.endswith("; position assumed")
        assert dataset.PositionReferenceIndicator == "POSITION ASSUMED"
        assert not dataset.get("PatientPosition")
        assert not dataset.get("PatientOrientationCodeSequence")
        assert not dataset.get("PatientGantryRelationshipCodeSequence")


def test_a_known_position_says_nothing_of_it(kind):
    for dataset in to_datasets(make_image(kind)):
        assert "assumed" not in str(dataset)
        assert not dataset.get("PositionReferenceIndicator")
    assert not only(from_datasets(to_datasets(make_image(kind)))).position_assumed


def test_a_position_beside_the_mark_is_not_written():
    """A study put together by hand may still carry a patient position; it is not claimed."""
    image = make_image("mr_signal")
    image = replace(image, study=replace(image.study, patient_position="HFS", position_assumed=True))
    assert all(dataset.PatientPosition in ("", None) for dataset in to_datasets(image))
    pet = make_image("pt_suv")
    pet = replace(pet, study=replace(pet.study, patient_position="HFS", position_assumed=True))
    assert all(len(dataset.PatientOrientationCodeSequence) == 0 for dataset in to_datasets(pet))


def test_it_is_known_where_private_elements_were_removed(kind):
    datasets = to_datasets(assumed(kind))
    for dataset in datasets:
        dataset.remove_private_tags()
    assert only(from_datasets(datasets)).position_assumed


def test_the_private_element_alone_is_enough(kind):
    datasets = to_datasets(assumed(kind))
    for dataset in datasets:
        dataset.PositionReferenceIndicator = ""
    assert only(from_datasets(datasets)).position_assumed


@pytest.mark.parametrize("length", [0, 44, 45, 46, 64, 90])
def test_long_descriptions_keep_the_mark(length):
    image = assumed("mr_signal", description="d" * length)
    datasets = to_datasets(image)
    assert all(len(dataset.SeriesDescription) <= 64 for dataset in datasets)
    assert all(dataset.SeriesDescription.endswith("(position assumed)") for dataset in datasets)
    assert only(from_datasets(datasets)).description == "d" * min(length, 45)


def test_nifti_states_no_coordinates_and_reads_back_exactly(tmp_path):
    """Codes 0 of sform and qform: the file's coordinates are of no known space, so viewers name no sides."""
    import nibabel

    image = assumed("mr_signal")
    path = write_nifti(image, tmp_path / "assumed.nii.gz")
    header = nibabel.load(path).header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (0, 0)
    assert np.allclose(header["pixdim"][1:4], (0.75, 1.25, 2.5))
    back = read_nifti(path)
    assert back.position_assumed
    assert image_gap(back, image)[0] < 1e-4
    known = write_nifti(make_image("mr_signal"), tmp_path / "known.nii")
    assert not read_nifti(known).position_assumed
