from datetime import datetime

import numpy as np
import pydicom
import pytest
from tests.dicom.conftest import KINDS, make_image, oblique_affine

from pellucid.dicom import conformance, read_series, to_datasets, write_series
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.image import Channel, Image, Provenance
from pellucid.units import quantity


def test_instances_satisfy_dciodvfy_and_the_standard_tables(kind, tmp_path, dciodvfy):
    image = make_image(kind, (2, 9, 11), affine=oblique_affine())
    paths = write_series(image, tmp_path / "series")
    assert dciodvfy(paths) == []
    assert conformance([pydicom.dcmread(path) for path in paths]) == []


def test_bare_image_is_valid_too(kind, tmp_path, dciodvfy):
    """No attributes, no patient: mandatory attributes are there, empty where that is allowed."""
    from pellucid.study import StudyContext

    paths = write_series(make_image(kind, (2, 5, 6), attributes={}, study=StudyContext(), description=""), tmp_path)
    assert dciodvfy(paths) == []
    assert conformance([pydicom.dcmread(path) for path in paths]) == []


def test_grid_is_what_another_reader_sees(tmp_path):
    """SimpleITK (GDCM) as peer: same directions, spacing, origin, values."""
    import SimpleITK as sitk

    image = make_image("ct_hu", (5, 8, 12), affine=oblique_affine())
    paths = write_series(image, tmp_path)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    peer = image.like_simpleitk(reader.Execute())
    from pellucid.testing.same_image import image_gap

    apart, different = image_gap(peer, image)
    assert len(paths) == 5
    assert apart < 1e-6  # decimal strings have 16 characters
    assert different <= 0.5


@pytest.mark.parametrize(("kind", "bound"), [("ct_hu", 0.5), ("mr_signal", None), ("pt_activity", None)])
def test_rounding_stays_within_its_bound(kind, bound):
    image = make_image(kind, (3, 20, 20))
    limit = bound or float(abs(image.array).max()) / 65534 * (1 + 1e-6)
    for dataset, plane in zip(to_datasets(image), image.array, strict=True):
        stored = np.frombuffer(dataset.PixelData, "<i2").reshape(20, 20).astype(float)
        if "RescaleSlope" in dataset:
            values = stored * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        else:
            item = dataset.RealWorldValueMappingSequence[0]
            values = stored * item.RealWorldValueSlope + item.RealWorldValueIntercept
        assert abs(values - plane).max() <= limit


def test_hounsfield_units_are_stored_as_custom_has_it():
    dataset = to_datasets(make_image("ct_hu"))[0]
    assert (dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType) == (1, -1024, "HU")
    assert "rounded to within 0.5" in dataset.DerivationDescription


def test_hounsfield_units_beyond_16_bits_are_scaled_not_clipped():
    array = make_image("ct_hu").array.copy()
    array[0, 0, 0] = 70_000
    (first, *_) = to_datasets(make_image("ct_hu", array=array))
    stored = np.frombuffer(first.PixelData, "<i2")
    assert stored[0] * float(first.RescaleSlope) + float(first.RescaleIntercept) == pytest.approx(70_000, abs=1.1)


def test_whole_numbers_are_stored_exactly(tmp_path):
    array = np.arange(-300, 300, dtype=np.int16).reshape(3, 10, 20)
    write_series(make_image("mr_signal", array=array), tmp_path)
    assert np.array_equal(read_series(tmp_path)[0].array, array)


def test_origin_is_stated(kind):
    provenance = Provenance(
        operation="reconstruct", method="xray.fbp", parameters={"filter": "hann", "cutoff": 0.8},
        software="Pellucid 9.9", parents=(Provenance(operation="scan", method="xray.axial"),),
    )  # fmt: skip
    dataset = to_datasets(make_image(kind, provenance=provenance))[0]
    assert dataset.ImageType[0] == "DERIVED"
    assert dataset.ImageComments == "Not for diagnostic use."
    assert dataset.DerivationDescription.startswith("reconstruct xray.fbp (filter=hann, cutoff=0.8) <- scan xray.axial")
    (item,) = dataset.ContributingEquipmentSequence
    assert (item.Manufacturer, item.SoftwareVersions) == ("Pellucid", "9.9")
    assert dataset.Manufacturer == "Pellucid"
    assert dataset.SpecificCharacterSet == "ISO_IR 192"


def test_scanner_is_named_where_the_signal_names_it():
    image = make_image(
        "ct_hu", attributes={"Manufacturer": "ACME", "DeviceSerialNumber": "77", "ImageComments": "arm up"}
    )
    dataset = to_datasets(image)[0]
    assert (dataset.Manufacturer, dataset.DeviceSerialNumber) == ("ACME", "77")
    assert "ManufacturerModelName" not in dataset
    assert dataset.ImageComments == "Not for diagnostic use. arm up"


def test_uids_follow_from_the_given_series_uid():
    image, when = make_image("pt_suv"), datetime(2026, 1, 2, 3, 4, 5)
    first = to_datasets(image, series_instance_uid="2.25.7", created=when)
    second = to_datasets(image, series_instance_uid="2.25.7", created=when)
    assert first == second
    assert len({d.SOPInstanceUID for d in first}) == len(first)
    assert to_datasets(image)[0].SeriesInstanceUID != to_datasets(image)[0].SeriesInstanceUID


def test_instances_do_not_share_their_attributes():
    datasets = to_datasets(make_image("mr_t1"))
    assert [d.InstanceNumber for d in datasets] == [1, 2, 3, 4]
    assert len({tuple(d.ImagePositionPatient) for d in datasets}) == 4


def test_one_frame_of_reference_for_the_patient():
    uids = {to_datasets(make_image(kind))[0].FrameOfReferenceUID for kind in KINDS}
    assert len(uids) == 1


def test_pet_has_patient_position_as_codes():
    dataset = to_datasets(make_image("pt_suv"))[0]
    assert dataset.PatientGantryRelationshipCodeSequence[0].CodeMeaning == "headfirst"
    assert "PatientPosition" not in dataset
    assert (dataset.Units, dataset.SUVType, dataset.NumberOfSlices) == ("GML", "BW", 4)


def test_attenuation_has_its_unit_in_a_real_world_value_mapping():
    dataset = to_datasets(make_image("ct_attenuation"))[0]
    (item,) = dataset.RealWorldValueMappingSequence
    assert item.MeasurementUnitsCodeSequence[0].CodeValue == "cm-1"
    assert dataset.RescaleType == "US"
    assert item.RealWorldValueSlope == dataset.RescaleSlope


REFUSALS = {
    "no keyword": ({"attributes": {"EchoTme": 3.0}}, "EchoTme: is not a DICOM keyword"),
    "other object's": ({"attributes": {"EchoTime": 3.0}}, "EchoTime: does not belong to the object ct-image"),
    "text for a number": ({"attributes": {"KVP": "much"}}, "KVP: is 'much', not a value of DS"),
    "NaN": ({"attributes": {"KVP": float("nan")}}, "KVP: is nan"),
    "number for text": ({"attributes": {"FilterType": 3}}, "FilterType: is 3, not a value of SH"),
    "long text": ({"attributes": {"FilterType": "x" * 17}}, "FilterType"),
    "two for one": ({"attributes": {"KVP": [1, 2]}}, "KVP: is \\[1, 2\\]"),
    "fraction": ({"attributes": {"XRayTubeCurrent": 1.5}}, "XRayTubeCurrent: is 1.5, not a value of IS"),
    "no items": ({"attributes": {"CTDIPhantomTypeCodeSequence": 5}}, "expected a list of dictionaries"),
    "bad date": ({"attributes": {"AcquisitionDate": "yesterday"}}, "AcquisitionDate"),
    "bad code": ({"attributes": {"RotationDirection": "clock wise!"}}, "RotationDirection"),
    "bulk": ({"attributes": {"PixelData": b"1"}}, "PixelData: is written from"),
    "owned": ({"attributes": {"PatientName": "X"}}, "PatientName: is written from"),
}


@pytest.mark.parametrize("name", sorted(REFUSALS))
def test_attributes_are_checked(name):
    changes, message = REFUSALS[name]
    with pytest.raises(InvalidInputError, match=message):
        to_datasets(make_image("ct_hu", **changes))


def test_sequence_items_are_checked():
    bad = [{"RadiopharmaceuticalName": "FDG"}]
    with pytest.raises(InvalidInputError, match=r"Sequence\.RadiopharmaceuticalName"):
        to_datasets(make_image("pt_suv", attributes={"RadiopharmaceuticalInformationSequence": bad}))


@pytest.mark.parametrize("kind", ["ct_hu", "map"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(kind, value):
    array = make_image(kind).array.copy()
    array[1, 2, 3] = value
    with pytest.raises(InvalidInputError, match="array: holds 1 values"):
        to_datasets(make_image(kind, array=array))


def test_what_dicom_cannot_hold_is_refused(kind):
    image = make_image(kind)
    with pytest.raises(UnsupportedError, match="array: is complex; take magnitude"):
        to_datasets(make_image(kind, array=image.array.astype(np.complex64)))
    skewed = image.affine.copy()
    skewed[:3, 1] += 0.1 * skewed[:3, 2]
    with pytest.raises(UnsupportedError, match=r"meet at 8\d\.\d\d degrees"):
        to_datasets(make_image(kind, affine=skewed))
    with pytest.raises(InvalidInputError, match="not a DICOM UID"):
        to_datasets(image, series_instance_uid="1.02.x")
    with pytest.raises(UnsupportedError, match="channels: "):
        to_datasets(
            make_image(kind, array=np.stack([image.array] * 2, -1), channels=(Channel("energy", "keV", (1.0, 2.0)),))
        )


def test_files_are_never_overwritten(tmp_path):
    image = make_image("ct_hu")
    write_series(image, tmp_path)
    with pytest.raises(InvalidInputError, match="exists already"):
        write_series(image, tmp_path)
    assert len(write_series(image, tmp_path, series_number=2)) == 4


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInputError, match="cannot be written"):
        write_series(make_image("ct_hu"), tmp_path / "file")


DOSE = {"RadionuclideHalfLife": 6000.0, "RadiopharmaceuticalStartTime": "233000"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"DecayCorrection": "START"}, 2.0),
        ({"DecayCorrection": "ADMIN", "AcquisitionTime": "011000"}, 4.0),  # 100 minutes later, past midnight
        ({"DecayCorrection": "START", "DecayFactor": 1.5}, 1.5),
        ({"DecayCorrection": "NONE"}, None),
    ],
)
def test_decay_factor_follows_from_the_correction(changes, expected):
    """2^(t / half-life); a frame 6000 s after the start has lost half its activity since."""
    attributes = {"FrameReferenceTime": 6e6, "RadiopharmaceuticalInformationSequence": [DOSE]} | changes
    dataset = to_datasets(make_image("pt_activity", attributes=attributes))[0]
    assert dataset.get("DecayFactor") == (None if expected is None else pytest.approx(expected))


def test_decay_factor_that_cannot_be_known_is_asked_for():
    with pytest.raises(InvalidInputError, match="DecayFactor: is missing, but DecayCorrection is START; give it"):
        to_datasets(make_image("pt_activity", attributes={"DecayCorrection": "START"}))


def test_each_frame_of_a_dynamic_has_its_own_decay_factor():
    attributes = {"DecayCorrection": "START", "RadiopharmaceuticalInformationSequence": [DOSE]}
    image = make_image(
        "pt_activity", (1, 3, 3, 2), attributes=attributes, channels=(Channel("time", "s", (0.0, 6000.0)),)
    )
    assert [float(d.DecayFactor) for d in to_datasets(image)] == [1.0, 2.0]


def test_maps_in_mr_show_their_unit_in_every_viewer():
    """The rescale agrees with the real-world value mapping; plain signal has none."""
    dataset = to_datasets(make_image("mr_t1"))[0]
    assert float(dataset.RescaleSlope) == dataset.RealWorldValueMappingSequence[0].RealWorldValueSlope
    assert 0 < dataset.WindowCenter < 5000
    assert "RescaleSlope" not in to_datasets(make_image("mr_signal"))[0]


def test_first_window_of_mr_is_taken_from_the_middle_of_the_picture():
    """A bright rim (fat at the coils) does not darken the organ inside."""
    array = np.full((4, 16, 16), 20.0, np.float32)
    array[:, :2] = 100.0
    image = Image(array=array, affine=np.diag([3.0, 1.0, 1.0, 1.0]), quantity=quantity("mr_signal"), modality="MR")
    (dataset, *_) = to_datasets(image)
    steps = float(dataset.pixel_array.max()) / 100.0
    assert float(dataset.WindowCenter) + float(dataset.WindowWidth) / 2 == pytest.approx(26.0 * steps, rel=1e-3)
