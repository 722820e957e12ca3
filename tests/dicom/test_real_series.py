"""Real scanners' files (origins and licences: the data folder's README)."""

import numpy as np
import pytest

from pellucid.dicom import conformance, from_datasets, read_nifti, read_series, to_datasets
from pellucid.errors import InvalidInputError
from pellucid.testing.same_image import image_gap

MR_SERIES = {
    "20180918GE/mr_0004": "DCM2NIIX_regression_test_4",
    "20180918GE/mr_0005": "DCM2NIIX_regression_test_5",
    "20180918GE/mr_0006": "DCM2NIIX_regression_test_6",
    "20180918GE/mr_0007": "DCM2NIIX_regression_test_7",
    "20180918Si/mr_0003": "EPI_PE=AP_3",
    "20180918Si/mr_0004": "EPI_PE=PA_4",
    "20180918Si/mr_0005": "EPI_PE=RL_5",
    "20180918Si/mr_0006": "EPI_PE=LR_6",
}


@pytest.mark.parametrize("series", sorted(MR_SERIES))
def test_grid_and_values_are_those_of_dcm2niix(series, real_data):
    """rordenlab/dcm_qa_nih: GE EPI and Siemens mosaics with the NIfTI that dcm2niix makes of them."""
    (image,) = read_series(real_data(f"dicom/mr_dcm_qa_nih/In/{series}"))
    reference = read_nifti(real_data(f"dicom/mr_dcm_qa_nih/Ref/{MR_SERIES[series]}.nii"))
    apart, different = image_gap(image, reference)
    assert apart < 1e-3  # NIfTI keeps float32 affines, the files 6 digits
    assert different == 0
    (times,), (theirs,) = image.channels, reference.channels
    assert np.allclose(times.values, theirs.values, atol=1e-3)


def test_tilted_head_ct_is_two_evenly_spaced_sheared_volumes(real_data):
    """rordenlab/dcm_qa_ct, GE HiSpeed: 18.5 degrees of tilt, 4 mm slices at the base and 7 mm above."""
    base, above = read_series(real_data("dicom/ct_tilt_dcm_qa"))
    assert (base.shape, above.shape) == ((14, 512, 512), (14, 512, 512))
    for image, step in ((base, 4.22), (above, 7.38)):
        assert np.allclose(image.affine[:3, 0], [0, 0, step], atol=1e-3)  # slices go along the table, not their normal
        row = image.affine[:3, 1] / np.linalg.norm(image.affine[:3, 1])
        assert np.degrees(np.arcsin(-row[2])) == pytest.approx(18.5, abs=0.01)


SERIES = {
    "dicom/ct_liver_crlm1004": [("CT", (41, 512, 512), "ct_number", (5.0, 0.797, 0.797))],
    "dicom/mpmri_prostate001/T2": [("MR", (33, 512, 584), "mr_signal", (8.0, 0.684, 0.684))],
    "dicom/mpmri_prostate001/ADC": [("MR", (36, 288, 256), "arbitrary", (7.0, 1.562, 1.562))],
    "dicom/petct_mr_sts001": [
        ("PT", (59, 43, 41), "suv_body_weight", (3.27, 4.688, 4.688)),
        ("CT", (59, 202, 198), "ct_number", (3.27, 0.977, 0.977)),
        ("MR", (59, 158, 174), "mr_signal", (3.27, 0.977, 0.977)),
    ],
    "nuclear/fdg_pet_sts001": [("PT", (267, 128, 128), "activity_concentration", (3.27, 4.688, 4.688))],
}


@pytest.mark.parametrize("folder", sorted(SERIES))
def test_series_of_scanners_are_read(folder, real_data):
    images = read_series(real_data(folder))
    found = [(i.modality, i.shape, i.quantity.name, tuple(round(v, 3) for v in i.spacing_mm)) for i in images]
    assert sorted(found) == sorted(SERIES[folder])


def test_values_in_patients_are_plausible(real_data):
    """Air, soft tissue and tracer have known values: rescaling went right."""
    (ct,) = read_series(real_data("dicom/ct_liver_crlm1004"))
    middle = ct.array[20, 200:300, 150:250]
    assert 40 < np.median(middle) < 140  # contrast-enhanced liver
    pet, *_ = read_series(real_data("dicom/petct_mr_sts001/PET"))
    assert 10 < pet.array.max() < 60  # SUV of a sarcoma and its surroundings


READ = {
    "693_J2KR": ("CT", -3024, 1468),
    "693_UNCR": ("CT", -3024, 1468),
    "693_UNCI": ("CT", -3995, 1812),
    "MR-SIEMENS-DICOM-WithOverlays": ("MR", 0, 1123),
    "MR2_J2KI": ("MR", 0, 2264.469),
    "MR2_J2KR": ("MR", 0, 2245.598),
    "MR2_UNCI": ("MR", 0, 2264.469),
    "MR2_UNCR": ("MR", 0, 2245.598),
    "bad_sequence": ("CT", -1011, 1243),
    "eCT_Supplemental": ("CT", None, None),
    "explicit_VR-UN": ("CT", -1024, 1186),
    "parametric_map_double_float": ("OT", 0, 0.942),
    "parametric_map_float": ("OT", 0, 0.942),
}
REASONS = {
    "a colour picture": """HTJ2KLossless_08_RGB HTJ2K_08_RGB OBXXXX1A OBXXXX1A_2frame OBXXXX1A_expb OBXXXX1A_expb_2frame
        OBXXXX1A_rle OBXXXX1A_rle_2frame OT-PAL-8-face SC_rgb
        SC_rgb_16bit SC_rgb_16bit_2frame SC_rgb_2frame SC_rgb_32bit
        SC_rgb_32bit_2frame SC_rgb_dcmtk_ebcr_dcmd SC_rgb_dcmtk_ebcyn1_dcmd SC_rgb_dcmtk_ebcyn2_dcmd
        SC_rgb_dcmtk_ebcynp_dcmd SC_rgb_dcmtk_ebcys2_dcmd SC_rgb_dcmtk_ebcys4_dcmd SC_rgb_expb SC_rgb_expb_16bit
        SC_rgb_expb_16bit_2frame SC_rgb_expb_2frame SC_rgb_expb_32bit SC_rgb_expb_32bit_2frame
        SC_rgb_gdcm2k_uncompressed
        SC_ybr_full_uncompressed US1_J2KI US1_J2KR US1_UNCI US1_UNCR color-pl color-px gdcm-US-ALOKA-16
        gdcm-US-ALOKA-16_big""",
    "where its pixels lie in the patient is unknown": """JLSL_08_07_0_1F JLSL_16_15_1_1F JPEG-LL JPEG2000_UNC
        JPGLosslessP14SV1_1s_1f_8b RG1_J2KI RG3_J2KI RG3_J2KR mlut_18 vlut_04""",
    "neither DICM at byte 128": "JLSL_RGB_ILV0 JLSL_RGB_ILV1 JLSL_RGB_ILV2 JLSN_RGB_ILV0",
    "without functional groups": """emri_small emri_small_RLE emri_small_big_endian emri_small_jpeg_2k_lossless
        emri_small_jpeg_ls_lossless""",
    "SOPClassUID: is missing": "emri_small_jpeg_2k_lossless_too_short",
    "masks of segments": """liver liver_deflate liver_expb liver_j2k liver_nonbyte_aligned liver_nonbyte_aligned_deflate
        liver_nonbyte_aligned_j2k liver_nonbyte_aligned_rle liver_rle""",
}  # fmt: skip
REFUSED = {name: reason for reason, names in REASONS.items() for name in names.split()}


def test_every_file_of_the_collection_is_accounted_for(real_data):
    """pydicom/pydicom-data."""
    there = {path.stem for path in real_data("dicom/pydicom_data").glob("*.dcm")}
    assert there == READ.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", sorted(READ))
def test_odd_files_are_read(name, real_data):
    modality, low, high = READ[name]
    (image,) = read_series(real_data(f"dicom/pydicom_data/{name}.dcm"))
    assert image.modality == modality
    if low is not None:
        assert (float(image.array.min()), float(image.array.max())) == pytest.approx((low, high), abs=1e-3)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_no_image_is_refused_in_one_line(name, real_data):
    path = real_data(f"dicom/pydicom_data/{name}.dcm")
    with pytest.raises(InvalidInputError) as caught:
        read_series(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert REFUSED[name] in text
    assert "\n" not in text


def test_perfusion_map_has_the_unit_of_its_real_world_values(real_data):
    (image,) = read_series(real_data("dicom/pydicom_data/eCT_Supplemental.dcm"))
    assert image.quantity.meaning == "Regional Cerebral Blood Flow"
    assert image.shape == (2, 512, 512)


LONG = "nuclear/fdg_pet_sts001"
REWRITTEN = [
    *(path for path in SERIES if path != LONG),
    pytest.param(LONG, marks=pytest.mark.slow),
    "dicom/ct_tilt_dcm_qa",
    "dicom/mr_dcm_qa_nih/In/20180918GE/mr_0004",
    "dicom/mr_dcm_qa_nih/In/20180918Si/mr_0003",
    *(f"dicom/pydicom_data/{name}.dcm" for name in READ),
]


@pytest.mark.parametrize("path", REWRITTEN)
def test_what_was_read_can_be_written_validly(path, real_data, tmp_path, dciodvfy):
    """Real headers are full of slips; none is passed on, and the image stays the same."""
    for number, image in enumerate(read_series(real_data(path))):
        datasets = to_datasets(image)
        assert conformance(datasets) == []
        first = tmp_path / f"{number}.dcm"
        datasets[0].save_as(first, enforce_file_format=True)
        assert dciodvfy([first]) == []
        (back,) = from_datasets(datasets)
        apart, different = image_gap(back, image)
        assert apart < 1e-6
        assert different <= float(abs(image.array).max()) * (1 / 65534 + 1e-7)
        assert back.channels == image.channels
        assert back.quantity == image.quantity
