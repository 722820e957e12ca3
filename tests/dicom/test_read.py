"""What is read back from our own series, and how frames are put together."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest
from tests.dicom.conftest import STUDY, make_image, oblique_affine

from pellucid.dicom import from_datasets, read_series, to_datasets, write_series
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.image import Channel
from pellucid.testing.same_image import image_gap


def only(images):
    assert len(images) == 1
    return images[0]


def bound(image):
    """Half a step of what 16 bits hold; parametric maps are exact."""
    if image.modality == "OT":
        return 0.0
    return (
        0.5 if image.quantity.name == "ct_number" else float(abs(image.array).max()) * (1 / 65534 + 6e-8)
    )  # + float32


def test_written_series_reads_back_to_the_same_image(kind, tmp_path):
    image = make_image(kind, affine=oblique_affine())
    write_series(image, tmp_path)
    back = only(read_series(tmp_path))
    apart, different = image_gap(back, image)
    assert apart < 1e-6
    assert different <= bound(image)
    assert back.quantity == image.quantity
    assert (back.modality, back.description, back.channels) == (image.modality, image.description, ())
    assert back.study == STUDY if kind != "map" else replace(STUDY, patient_position="")
    given = {keyword: list(v) if isinstance(v, (list, tuple)) else v for keyword, v in image.attributes.items()}
    assert {keyword: back.attributes.get(keyword) for keyword in given} == given


def test_written_again_it_is_the_same_series(kind):
    """Reading loses nothing that writing needs, and adds nothing that writing refuses."""
    once = only(from_datasets(to_datasets(make_image(kind))))
    twice = only(from_datasets(to_datasets(once)))
    assert image_gap(twice, once) == (0, pytest.approx(0, abs=2e-7 * float(abs(once.array).max())))
    assert twice.attributes == once.attributes
    assert twice.study == once.study


def test_left_handed_grid_reads_back_to_the_same_places(kind):
    affine = oblique_affine()
    affine[:3, 0] *= -1
    image = make_image(kind, affine=affine)
    apart, different = image_gap(only(from_datasets(to_datasets(image))), image)
    assert apart < 1e-6
    assert different <= bound(image)


def test_tilted_gantry_gives_a_sheared_affine():
    affine = oblique_affine()
    affine[:3, 0] += 0.7 * affine[:3, 1] / np.linalg.norm(affine[:3, 1])
    image = make_image("ct_hu", affine=affine)
    back = only(from_datasets(to_datasets(image)))
    assert abs(back.affine - affine).max() < 1e-6
    assert to_datasets(image)[0].SpacingBetweenSlices == pytest.approx(2.5)  # along the normal, not along the shear


def test_order_of_files_does_not_matter():
    image = make_image("mr_t1", (7, 5, 6))
    datasets = to_datasets(image)
    shuffled = [datasets[i] for i in (3, 0, 6, 1, 5, 2, 4)]
    back = only(from_datasets(shuffled))
    assert image_gap(back, image)[0] < 1e-9


def test_twice_the_same_instance_counts_once():
    datasets = to_datasets(make_image("ct_hu"))
    assert only(from_datasets(datasets + datasets)).shape == (4, 9, 11)


def test_single_slice_is_as_thick_as_it_says():
    image = make_image("ct_hu", (1, 5, 6), affine=oblique_affine((4.0, 1.0, 1.0)))
    assert np.allclose(only(from_datasets(to_datasets(image))).affine, image.affine, atol=1e-9)


CHANNELS = {
    "echo": ("mr_signal", (Channel("echo_time", "ms", (2.3, 4.6, 6.9)),)),
    "seconds": ("mr_signal", (Channel("time", "s", (0.0, 2.5, 5.0)),)),
    "diffusion": ("mr_signal", (Channel("b_value", "s/mm2", (0.0, 500.0, 1000.0)),)),
    "inversion": ("mr_signal", (Channel("inversion_time", "ms", (50.0, 400.0, 1100.0)),)),
    "flip": ("mr_signal", (Channel("flip_angle", "deg", (2.0, 15.0)),)),
    "gated": ("mr_signal", (Channel("trigger_time", "ms", (0.0, 40.0, 80.0)),)),
    "dynamic PET": ("pt_activity", (Channel("time", "ms", (15e3, 45e3, 90e3)),)),
    "perfusion CT": ("ct_hu", (Channel("time", "s", (0.0, 1.5, 4.0)),)),
    "repeated": ("ct_hu", (Channel("repetition", "1", (0.0, 1.0)),)),
    "echo and time": (
        "mr_signal",
        (Channel("echo_time", "ms", (2.3, 4.6)), Channel("time", "s", (0.0, 2.0, 4.0))),
    ),
}


@pytest.mark.parametrize("name", sorted(CHANNELS))
def test_channels_read_back(name, tmp_path, dciodvfy):
    kind, channels = CHANNELS[name]
    shape = (3, 4, 5, *(len(channel.values) for channel in channels))
    attributes = {k: v for k, v in make_image(kind).attributes.items() if k != "FrameReferenceTime"}
    image = make_image(kind, shape, channels=channels, attributes=attributes)
    paths = write_series(image, tmp_path)
    assert dciodvfy(paths[:1]) == []
    back = only(read_series(tmp_path))
    assert back.channels == channels
    apart, different = image_gap(back, image)
    assert apart < 1e-6
    assert different <= bound(image)


def test_magnitude_and_phase_in_one_series_are_two_images():
    datasets = to_datasets(make_image("mr_signal"), series_instance_uid="2.25.5")
    for dataset in to_datasets(make_image("mr_signal", seed=1)):
        dataset.SeriesInstanceUID = "2.25.5"
        dataset.ImageType = ["DERIVED", "PRIMARY", "P"]
        datasets.append(dataset)
    assert [image.attributes["ImageType"][2] for image in from_datasets(datasets)] == ["OTHER", "P"]


def test_planes_of_a_localiser_are_three_images():
    turns = [np.eye(3)[order] for order in ([0, 1, 2], [1, 2, 0], [2, 0, 1])]
    datasets = []
    for turn in turns:
        affine = np.eye(4)
        affine[:3, :3] = turn * 2.0
        datasets += to_datasets(make_image("mr_signal", (2, 4, 4), affine=affine), series_instance_uid=None)
    for dataset in datasets:
        dataset.SeriesInstanceUID = "2.25.6"
    assert [image.shape for image in from_datasets(datasets)] == [(2, 4, 4)] * 3


def test_missing_slice_is_told():
    datasets = to_datasets(make_image("ct_hu", (6, 4, 4)))
    del datasets[3]
    with pytest.raises(InvalidInputError, match=r"1 slice\(s\) missing: 2\.000 mm apart, but 4\.000 mm after slice 3"):
        from_datasets(datasets)


def test_uneven_slices_are_refused_with_their_distances():
    datasets = to_datasets(make_image("ct_hu", (6, 4, 4)))
    for dataset in datasets[3:]:
        dataset.ImagePositionPatient[2] += 0.7
    with pytest.raises(InvalidInputError, match=r"unevenly spaced, 2\.000 to 2\.700 mm apart"):
        from_datasets(datasets)


def test_incomplete_volume_is_refused():
    image = make_image("mr_signal", (3, 4, 5, 2), channels=(Channel("echo_time", "ms", (1.0, 2.0)),))
    with pytest.raises(InvalidInputError, match="have 1 to 2 images; expected equally many"):
        from_datasets(to_datasets(image)[:-1])


def test_images_of_one_plane_that_are_shifted_are_refused():
    datasets = to_datasets(make_image("mr_signal", (1, 4, 4))) + to_datasets(make_image("mr_signal", (1, 4, 4)))
    for dataset in datasets:
        dataset.SeriesInstanceUID = "2.25.8"
    datasets[1].ImagePositionPatient[0] += 20
    with pytest.raises(UnsupportedError, match=r"shifted by 20\.000 mm"):
        from_datasets(datasets)


def test_overlay_bits_are_not_values():
    dataset = to_datasets(make_image("mr_signal", (1, 2, 2)))[0]
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0
    dataset.PixelData = np.array([0xF123, 0x0FFF, 0x8000, 0x0001], "<u2").tobytes()
    del dataset.RealWorldValueMappingSequence
    assert only(from_datasets([dataset])).array.ravel().tolist() == [0x123, 0xFFF, 0, 1]
    dataset.PixelRepresentation = 1
    assert only(from_datasets([dataset])).array.ravel().tolist() == [0x123, -1, 0, 1]


def test_modality_lut_is_applied():
    dataset = to_datasets(make_image("mr_signal", (1, 2, 2)))[0]
    del dataset.RealWorldValueMappingSequence
    dataset.PixelData = np.array([0, 1, 2, 3], "<i2").tobytes()
    item = pydicom.Dataset()
    item.LUTDescriptor, item.ModalityLUTType = [4, 0, 16], "US"
    item.add_new("LUTData", "US", [10, 100, 1000, 10000])
    dataset.ModalityLUTSequence = [item]
    assert only(from_datasets([dataset])).array.ravel().tolist() == [10, 100, 1000, 10000]


def test_pet_per_slice_slopes():
    datasets = to_datasets(make_image("pt_activity", (2, 2, 2)))
    for dataset, slope in zip(datasets, ("0.5", "2.0"), strict=True):
        dataset.RescaleSlope = slope
        dataset.PixelData = np.array([1, 2, 3, 4], "<i2").tobytes()
    values = only(from_datasets(datasets)).array
    assert values[0].ravel().tolist() == [0.5, 1, 1.5, 2]
    assert values[1].ravel().tolist() == [2, 4, 6, 8]


def test_unknown_units_of_pet_are_arbitrary():
    datasets = to_datasets(make_image("pt_activity"))
    for dataset in datasets:
        dataset.Units = "PROPCPS"
    assert only(from_datasets(datasets)).quantity.name == "arbitrary"


def test_nuclear_tomogram_is_placed_by_its_detector():
    datasets = to_datasets(make_image("mr_signal", (3, 2, 2)))
    first = datasets[0]
    nuclear = pydicom.Dataset()
    nuclear.file_meta = first.file_meta
    nuclear.SOPClassUID, nuclear.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.20", "2.25.9"
    nuclear.SeriesInstanceUID, nuclear.Modality = "2.25.10", "NM"
    nuclear.ImageType = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    nuclear.Rows = nuclear.Columns = 2
    nuclear.BitsAllocated = nuclear.BitsStored = 16
    nuclear.HighBit, nuclear.PixelRepresentation, nuclear.SamplesPerPixel = 15, 1, 1
    nuclear.PhotometricInterpretation, nuclear.NumberOfFrames = "MONOCHROME2", 3
    nuclear.PixelSpacing, nuclear.SpacingBetweenSlices, nuclear.SliceVector = [4, 4], 4, [3, 2, 1]
    detector = pydicom.Dataset()
    detector.ImagePositionPatient, detector.ImageOrientationPatient = [1, 2, 3], [1, 0, 0, 0, 1, 0]
    nuclear.DetectorInformationSequence = [detector]
    nuclear.PixelData = np.arange(12, dtype="<i2").tobytes()
    image = only(from_datasets([nuclear]))
    assert image.affine[:3, 3].tolist() == [1, 2, 3]
    assert image.array[0].ravel().tolist() == [8, 9, 10, 11]
    nuclear.ImageType = ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]
    with pytest.raises(UnsupportedError, match="projections, not a reconstructed volume"):
        from_datasets([nuclear])


def test_mosaic_whose_normal_points_backwards(monkeypatch):
    """Slices then go against rows × columns; tile 0 still lies where the mosaic says."""
    from pellucid.dicom import mosaic

    dataset = to_datasets(make_image("mr_signal", (1, 4, 4), attributes={}))[0]
    del dataset.RealWorldValueMappingSequence
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [-4, -4, 10], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SpacingBetweenSlices = [2, 2], 5
    dataset.PixelData = np.arange(16, dtype="<i2").tobytes()
    tags = {"NumberOfImagesInMosaic": {"items": [3]}, "SliceNormalVector": {"items": [0.0, 0.0, -1.0]}}
    monkeypatch.setattr(mosaic, "_csa_image_header", lambda dataset, file: tags)
    image = only(from_datasets([dataset]))
    assert image.shape == (3, 2, 2)
    assert image.affine[:3, 3].tolist() == [-2, -2, 0]
    assert image.array[2].ravel().tolist() == [0, 1, 4, 5]
    assert image.array[0].ravel().tolist() == [8, 9, 12, 13]


def test_micrometre_voxels_keep_their_slices():
    image = make_image("ct_attenuation", (5, 4, 4), affine=oblique_affine((0.002, 0.002, 0.002)))
    assert image_gap(only(from_datasets(to_datasets(image))), image)[0] < 1e-9


def test_object_without_image_is_passed_over_beside_one():
    report = pydicom.Dataset()
    report.SOPClassUID, report.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.33", "2.25.11"
    datasets = to_datasets(make_image("ct_hu"))
    assert len(from_datasets([report, *datasets])) == 1
    with pytest.raises(UnsupportedError, match="holds no image: it is a Comprehensive SR Storage"):
        from_datasets([report])


def enhanced(echoes=(2.0, 5.0), slices=3):
    """An Enhanced MR Image of slices × echoes, frames in no particular order."""
    dataset = to_datasets(make_image("mr_signal", (1, 2, 3)))[0]
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "EchoTime", "SliceThickness"):
        delattr(dataset, keyword)
    del dataset.RealWorldValueMappingSequence, dataset.SpacingBetweenSlices
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    shared, measures, orientation = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    measures.PixelSpacing, measures.SliceThickness = [1.5, 0.5], 2
    orientation.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    dataset.SharedFunctionalGroupsSequence = [shared]
    frames = [(slice_, echo) for echo in range(len(echoes)) for slice_ in range(slices)][::-1]
    dataset.PerFrameFunctionalGroupsSequence = []
    for slice_, echo in frames:
        item, place, time, transform = (pydicom.Dataset() for _ in range(4))
        place.ImagePositionPatient = [10 - 4.0 * slice_, 20, 30]
        time.EffectiveEchoTime = echoes[echo]
        transform.RescaleSlope, transform.RescaleIntercept = 2, 10 * echo
        item.PlanePositionSequence, item.MREchoSequence = [place], [time]
        item.PixelValueTransformationSequence = [transform]
        dataset.PerFrameFunctionalGroupsSequence.append(item)
    dataset.NumberOfFrames = len(frames)
    stored = np.array([np.full((2, 3), 10 * slice_ + echo) for slice_, echo in frames], "<i2")
    dataset.PixelData = stored.tobytes()
    return dataset


def test_enhanced_frames_are_placed_by_their_functional_groups():
    image = only(from_datasets([enhanced()]))
    assert image.channels == (Channel("echo_time", "ms", (2.0, 5.0)),)
    # Column index runs along y, row index along -z: the normal is -x, so slices rise in the order they were made.
    assert image.affine.tolist() == [[-4, 0, 0, 10], [0, 0, 0.5, 20], [0, -1.5, 0, 30], [0, 0, 0, 1]]
    assert image.array[:, 0, 0, :].tolist() == [[0, 12], [20, 32], [40, 52]]
    assert image.attributes["SliceThickness"] == 2


def test_enhanced_image_with_frames_missing_is_refused():
    dataset = enhanced()
    dataset.NumberOfFrames = 5
    with pytest.raises(
        InvalidInputError, match="PerFrameFunctionalGroupsSequence: has 6 items, but NumberOfFrames is 5"
    ):
        from_datasets([dataset])
