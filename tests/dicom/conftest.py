"""Images of every kind that is written, and the outside judge of what is written."""

import subprocess

import numpy as np
import pytest

from pellucid.image import Image, axial_affine
from pellucid.study import StudyContext

STUDY = StudyContext(
    patient_id="P-1",
    patient_name="Müller^Grace^^Dr",
    patient_birth_date="19610203",
    patient_sex="F",
    patient_weight_kg=61.5,
    patient_height_m=1.7,
    study_id="S1",
    study_date="20260102",
    study_time="030405",
    study_description="Phantom",
    accession_number="A-1",
    referring_physician_name="Röntgen^Wilhelm",
    institution_name="Würzburg",
)
FDG = [
    {
        "Radiopharmaceutical": "Fluorodeoxyglucose",
        "RadiopharmaceuticalStartTime": "020405",
        "RadionuclideTotalDose": 350e6,
        "RadionuclideHalfLife": 6586.2,
        "RadionuclidePositronFraction": 0.97,
        "RadionuclideCodeSequence": [
            {"CodeValue": "77004003", "CodingSchemeDesignator": "SCT", "CodeMeaning": "^18^Fluorine"}
        ],
    }
]
KINDS = {
    "ct_hu": ("CT", "ct_number", 400.0, {"KVP": 120, "XRayTubeCurrent": 200, "ConvolutionKernel": "RAM-LAK"}),
    "ct_attenuation": ("CT", "attenuation_coefficient", 0.2, {"KVP": 25}),
    "mr_signal": (
        "MR",
        "mr_signal",
        1e-4,
        {
            "ScanningSequence": "GR", "SequenceVariant": ["SP", "OSP"], "MRAcquisitionType": "3D", "EchoTime": 4.2,
            "RepetitionTime": 12.5, "FlipAngle": 15, "MagneticFieldStrength": 3, "EchoTrainLength": 1,
        },
    ),
    "mr_t1": ("MR", "t1", 1200.0, {}),
    "pt_activity": (
        "PT",
        "activity_concentration",
        5e3,
        {
            "RadiopharmaceuticalInformationSequence": FDG, "DecayCorrection": "START", "FrameReferenceTime": 1000.0,
            "ActualFrameDuration": 120000, "CorrectedImage": ["DECY", "ATTN", "SCAT"],
            "ReconstructionMethod": "OSEM 3D", "AcquisitionDate": "20260102", "AcquisitionTime": "031000",
        },
    ),
    "pt_suv": ("PT", "suv_body_weight", 3.0, {}),
    "map": ("OT", "density", 1.0, {}),
}  # fmt: skip
"""Name → modality, quantity, typical size of a value, attributes."""

OBLIQUE = np.linalg.qr(np.array([[0.9, 0.2, 0.1], [-0.15, 0.95, 0.3], [0.05, -0.25, 0.97]]))[0]
OBLIQUE[:, 0] = np.cross(OBLIQUE[:, 2], OBLIQUE[:, 1])  # slices along column × row direction, as they are read


def oblique_affine(spacing_mm=(2.5, 1.25, 0.75), origin=(-30.0, 41.5, 107.25)):
    affine = np.eye(4)
    affine[:3, :3] = OBLIQUE @ np.diag(spacing_mm)
    affine[:3, 3] = origin
    return affine


def make_image(kind, shape=(4, 9, 11), *, affine=None, seed=0, **changes):
    modality, quantity, size, attributes = KINDS[kind]
    array = np.abs(np.random.default_rng(seed).normal(0, size, shape)).astype(np.float32)
    if quantity == "ct_number":
        array -= 1000
    values = {
        "array": array,
        "affine": axial_affine(shape[:3], (2.0, 1.5, 1.25), (4, -7, 30)) if affine is None else affine,
        "quantity": quantity,
        "modality": modality,
        "study": STUDY,
        "description": f"{kind} test",
        "attributes": attributes,
    }
    return Image(**(values | changes))


@pytest.fixture(params=sorted(KINDS))
def kind(request):
    return request.param


@pytest.fixture
def dciodvfy(program):
    """Errors that David Clunie's dciodvfy finds in files."""
    path = program("dciodvfy")

    def errors(files):
        found = []
        for file in files:
            done = subprocess.run([path, "-new", str(file)], capture_output=True, text=True, check=False)
            found += [line for line in (done.stderr + done.stdout).splitlines() if line.startswith("Error")]
        return found

    return errors
