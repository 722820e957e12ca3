"""Sinograms check themselves, and PET images say in DICOM what they are."""

from dataclasses import replace

import numpy as np
import pytest

from pellucid.errors import InvalidInputError
from pellucid.image import Image, axial_affine
from pellucid.modalities.nuclear import Sinogram, reconstruct
from pellucid.modalities.nuclear.sampling import sampling_of
from pellucid.modalities.nuclear.scanner import Scanner
from pellucid.modalities.nuclear.tracer import NUCLIDES, RADIOPHARMACEUTICALS, Injection, mean_decay
from pellucid.units import quantity

SCANNER = Scanner(
    name="small", rings=4, crystals_per_ring=32, ring_pitch_mm=5.0, inner_radius_mm=60.0, interaction_depth_mm=2.0,
    radial_bins=17, energy_window_kev=(430.0, 610.0),
)  # fmt: skip
SAMPLING = sampling_of(SCANNER, span=3, max_ring_difference=1)
INJECTION = Injection(
    tracer="fdg", nuclide="F-18", half_life_s=6584.04, positron_fraction=0.9686, activity_bq=2e8, time="20260310233000"
)
COUNTS = np.random.default_rng(0).poisson(20, SAMPLING.shape).astype(np.float32)
ONES = np.ones(SAMPLING.shape, np.float32)


def sinogram(**changes):
    return Sinogram(**{"sampling": SAMPLING, "prompts": COUNTS, "duration_s": 60.0, **changes})


def mu_map(value=0.1, **changes):
    shape = (7, 9, 9)
    return Image(
        **{
            "array": np.full(shape, value, np.float32),
            "affine": axial_affine(shape, (2.5, 5.0, 5.0)),
            "quantity": quantity("attenuation_coefficient"),
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"prompts": COUNTS[:, :, :-1]},
            r"prompts: is \(16, 17, 6\); expected view, radial bin, plane = \(16, 17, 7\)",
        ),
        ({"prompts": COUNTS - 40}, "prompts: holds -[0-9]+; expected counts >= 0"),
        ({"prompts": np.where(COUNTS > 30, np.nan, COUNTS)}, "prompts: holds [0-9]+ values that are not finite"),
        ({"prompts": COUNTS.astype(complex)}, "prompts: is complex128; expected real numbers"),
        ({"randoms": COUNTS[0]}, "randoms: is"),
        ({"scatter": -ONES}, "scatter: holds -1"),
        ({"sensitivity": 0 * ONES}, "sensitivity: is 0 everywhere"),
        ({"duration_s": 0.0}, "duration_s: is 0.0; expected a number > 0"),
        ({"start": "10 March"}, "start: is '10 March'; expected YYYYMMDDHHMMSS"),
        ({"attenuation_map": mu_map(quantity="ct_number")}, "attenuation_map: is an image of ct_number.*first"),
        ({"attenuation_map": mu_map(value=96.0)}, "attenuation_map: holds 96 to 96; expected 1/cm"),
        ({"attenuation_map": mu_map(value=np.nan)}, "attenuation_map: holds 567 values that are not finite"),
    ],
)
def test_contradictions_are_named(changes, message):
    with pytest.raises(InvalidInputError, match=message):
        sinogram(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"activity_bq": 0.0}, "injection.activity_bq: is 0.0"), ({"time": "noon"}, "injection.time: is 'noon'")],
)
def test_impossible_injections_are_named(changes, message):
    with pytest.raises(InvalidInputError, match=message):
        replace(INJECTION, **changes)


def test_summary_and_views_are_for_people():
    raw = sinogram(randoms=ONES, scatter=2 * ONES, sensitivity=ONES, injection=INJECTION, start="20260311003000")
    words = raw.summary()
    assert words["Sinogram"] == "16 views x 17 bins x 7 planes in 1 segments"
    assert words["Injected"] == "200.0 MBq fdg, F-18"
    assert [view.array.ndim for view in raw.signal_views()] == [2, 2, 2]
    assert all(view.array.dtype == np.float32 for view in raw.signal_views())


def test_uncalibrated_counts_give_arbitrary_units():
    image = reconstruct(sinogram(), "osem", iterations=1, subsets=2)
    assert image.quantity.name == "arbitrary"
    assert image.attributes["Units"] == "NONE"
    assert image.attributes["DecayCorrection"] == "NONE"


def test_uncalibrated_image_is_written_too(tmp_path):
    from pellucid.dicom import read_series, write_series

    image = reconstruct(sinogram(), "fbp")
    write_series(image, tmp_path)
    (back,) = read_series(tmp_path)
    assert back.array == pytest.approx(image.array, abs=float(np.abs(image.array).max()) / 30000)
    assert back.affine == pytest.approx(image.affine, abs=1e-4)


def test_attributes_are_dicoms():
    raw = sinogram(
        randoms=ONES, scatter=ONES, sensitivity=ONES, attenuation_map=mu_map(), injection=INJECTION,
        start="20260311003000",
    )  # fmt: skip
    image = reconstruct(raw, "osem", iterations=1, subsets=2, filter_mm=5.0)
    found = image.attributes
    assert found["Units"] == "BQML"
    assert found["CorrectedImage"] == ["DECY", "NORM", "ATTN", "SCAT", "RAN"]
    assert found["DecayCorrection"] == "START"
    assert found["DecayFactor"] == pytest.approx(1 / mean_decay(6584.04, 60))
    assert found["FrameReferenceTime"] == pytest.approx(30e3, rel=1e-2)
    assert found["ConvolutionKernel"] == "Gaussian 5 mm"
    assert found["SeriesDate"] + found["SeriesTime"] == "20260311003000"
    injected = found["RadiopharmaceuticalInformationSequence"][0]
    assert injected["RadiopharmaceuticalStartDateTime"] == "20260310233000"
    assert injected["RadionuclideTotalDose"] == 2e8


def test_codes_are_those_of_the_standard():
    from pydicom.sr.codedict import codes

    standard = {
        "F-18": codes.cid4020._18Fluorine,
        "C-11": codes.cid4020._11Carbon,
        "N-13": codes.cid4020._13Nitrogen,
        "O-15": codes.cid4020._15Oxygen,
        "Ga-68": codes.cid4020._68Gallium,
    }
    assert set(standard) == set(NUCLIDES)
    for name, code in standard.items():
        assert (NUCLIDES[name].code.value, NUCLIDES[name].code.meaning) == (code.value, code.meaning)
    assert RADIOPHARMACEUTICALS["fdg"].code.value == codes.cid4021.FluorodeoxyglucoseF18.value


def test_image_is_written_as_dicom_pet(tmp_path):
    import pydicom

    from pellucid.dicom import write_series

    raw = sinogram(
        randoms=ONES, scatter=ONES, sensitivity=ONES, injection=INJECTION, start="20260311003000",
        attenuation_map=mu_map(affine=axial_affine((7, 9, 9), (2.5, 5.0, 5.0), (0.0, 0.0, 290.0))),
        isocentre_lps_mm=(10.0, -20.0, 300.0),
    )  # fmt: skip
    image = reconstruct(raw, "osem", iterations=2, subsets=2)
    paths = write_series(image, tmp_path)
    assert len(paths) == 7
    read = [pydicom.dcmread(path) for path in paths]
    first = min(read, key=lambda item: item.ImagePositionPatient[2])
    assert first.Units == "BQML"
    assert first.ImagePositionPatient == pytest.approx([*image.affine[:2, 3], 300.0 - 7.5], abs=1e-4)
    values = first.pixel_array * float(first.RescaleSlope) + float(first.RescaleIntercept)
    assert values == pytest.approx(image.array[0], abs=float(image.array.max()) / 30000)
    injected = first.RadiopharmaceuticalInformationSequence[0]
    assert injected.RadionuclideCodeSequence[0].CodeValue == "77004003"
