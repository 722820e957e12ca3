"""Standardised uptake values against the vendors' published cases, and the traps of dates and times."""

import json

import numpy as np
import pytest

from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.image import Image
from pellucid.modalities.nuclear.quantify import suv_body_weight, suv_factor
from pellucid.study import StudyContext

INJECTED = {
    "RadionuclideTotalDose": 200e6,
    "RadionuclideHalfLife": 6586.2,
    "RadiopharmaceuticalStartDateTime": "20260310233000",
}
ATTRIBUTES = {
    "SeriesDate": "20260311",
    "SeriesTime": "003000",
    "DecayCorrection": "START",
    "RadiopharmaceuticalInformationSequence": [INJECTED],
}
ONE_HOUR = 70e3 / (200e6 * 2 ** (-3600 / 6586.2))


def changed(injected=None, **attributes):
    return {**ATTRIBUTES, "RadiopharmaceuticalInformationSequence": [{**INJECTED, **(injected or {})}], **attributes}


@pytest.mark.parametrize("case", ["PHILIPS_BQML", "SIEMENS", "GE_MEDICAL_AND_BQML", "CPS_AND_BQML_AC_DT_-_S_DT"])
def test_vendor_cases(real_data, case):
    folder = real_data("nuclear/calculate_suv")
    header = json.loads((folder / "metadata" / f"{case}-instances.json").read_text())[0]
    expected = json.loads((folder / "expected_suvbw.json").read_text())[case]
    attributes = {**header, "RadiopharmaceuticalInformationSequence": [header]}
    assert suv_factor(attributes, header["PatientWeight"]) == pytest.approx(expected, rel=1e-5)


def test_real_series(real_data):
    from pellucid.dicom import read_series

    (image,) = read_series(real_data("nuclear/fdg_pet_sts001/image"))
    suv = suv_body_weight(image)
    # The header by hand: 2711 s from injection to the series, which makes 2.42903e-4 (g/ml)/(Bq/ml).
    assert suv.provenance.parameters["factor"] == pytest.approx(2.42903e-4, rel=1e-5)
    assert suv.array.max() == pytest.approx(66.5, abs=0.1)


def test_decay_across_midnight():
    assert suv_factor(ATTRIBUTES, 70.0) == pytest.approx(ONE_HOUR)
    time_only = {"RadiopharmaceuticalStartDateTime": "", "RadiopharmaceuticalStartTime": "233000.00"}
    assert suv_factor(changed(time_only), 70.0) == pytest.approx(ONE_HOUR)


def test_time_zones_and_fractions_do_not_matter():
    assert suv_factor(changed({"RadiopharmaceuticalStartDateTime": "20260310233000.000+0100 "}), 70.0) == pytest.approx(
        ONE_HOUR
    )
    assert suv_factor(changed(SeriesTime="0030"), 70.0) == pytest.approx(ONE_HOUR)


def test_values_corrected_to_the_injection_need_no_decay():
    assert suv_factor(changed(DecayCorrection="ADMIN"), 70.0) == pytest.approx(70e3 / 200e6)


def test_a_later_series_counts_from_the_frame():
    # Processed two hours later; the frame began 10 min into the scan.
    frame, rate = 120.0, np.log(2) / 6586.2
    met = np.log(rate * frame / (1 - np.exp(-rate * frame))) / rate
    attributes = changed(
        SeriesTime="023000", AcquisitionDate="20260311", AcquisitionTime="004000",
        FrameReferenceTime=1000 * (600 + met), ActualFrameDuration=1000 * frame,
    )  # fmt: skip
    assert suv_factor(attributes, 70.0) == pytest.approx(ONE_HOUR, rel=1e-6)


def test_image_gets_quantity_and_units():
    image = Image(
        array=np.full((1, 2, 2), 1000.0, np.float32),
        affine=np.eye(4),
        quantity="activity_concentration",
        modality="PT",
        study=StudyContext(patient_weight_kg=70.0),
        attributes=ATTRIBUTES,
        description="PET",
    )
    suv = suv_body_weight(image)
    assert suv.quantity.name == "suv_body_weight"
    assert suv.attributes["Units"] == "GML"
    assert suv.array == pytest.approx(1000 * ONE_HOUR)
    assert suv.provenance.parameters["factor"] == pytest.approx(ONE_HOUR)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, "RadiopharmaceuticalInformationSequence: is missing"),
        (changed({"RadionuclideTotalDose": None}), "RadionuclideTotalDose: is None; expected a number"),
        (changed({"RadionuclideTotalDose": 0}), "RadionuclideTotalDose: is 0.0; expected a number > 0"),
        (changed({"RadionuclideHalfLife": "x"}), "RadionuclideHalfLife: is 'x'"),
        (changed(DecayCorrection="NONE"), "DecayCorrection: is 'NONE'; expected START or ADMIN"),
        (changed(SeriesDate="", SeriesTime=""), "SeriesTime: is missing, and AcquisitionTime too"),
        (changed(SeriesTime="25"), "SeriesTime: is '20260311250000'; expected YYYYMMDDHHMMSS"),
        (
            changed({"RadiopharmaceuticalStartDateTime": "20260311013000"}),
            "RadiopharmaceuticalStartDateTime: is after the start of the scan",
        ),
        (changed({"RadiopharmaceuticalStartDateTime": ""}), "RadiopharmaceuticalStartTime: is missing"),
    ],
)
def test_missing_or_wrong_headers_are_named(attributes, message):
    with pytest.raises(InvalidInputError, match=message):
        suv_factor(attributes, 70.0)


def test_images_that_have_no_suv_are_refused():
    counts = Image(array=np.ones((1, 1, 1)), affine=np.eye(4), quantity="counts", attributes=ATTRIBUTES)
    with pytest.raises(UnsupportedError, match="is counts; expected activity_concentration"):
        suv_body_weight(counts)
    nameless = Image(array=np.ones((1, 1, 1)), affine=np.eye(4), quantity="activity_concentration")
    with pytest.raises(InvalidInputError, match="PatientWeight: is None"):
        suv_body_weight(nameless)
