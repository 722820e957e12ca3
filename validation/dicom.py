"""DICOM and NIfTI: grids and values against other programs' reading and writing."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pellucid.dicom import read_nifti, read_series, write_series
from pellucid.image import Image, axial_affine
from pellucid.testing.same_image import image_gap
from pellucid.units import quantity
from validation import NotAvailableError, check, data

_QA = {
    "20180918GE/mr_0004": "DCM2NIIX_regression_test_4",
    "20180918GE/mr_0005": "DCM2NIIX_regression_test_5",
    "20180918GE/mr_0006": "DCM2NIIX_regression_test_6",
    "20180918GE/mr_0007": "DCM2NIIX_regression_test_7",
    "20180918Si/mr_0003": "EPI_PE=AP_3",
    "20180918Si/mr_0004": "EPI_PE=PA_4",
    "20180918Si/mr_0005": "EPI_PE=RL_5",
    "20180918Si/mr_0006": "EPI_PE=LR_6",
}
_KINDS = {"CT": "ct_number", "MR": "mr_signal", "PT": "activity_concentration", "OT": "density"}


def _dcm2niix_gaps() -> list[tuple[float, float]]:
    root, found = data("dicom/mr_dcm_qa_nih"), []
    for series, name in _QA.items():
        (image,) = read_series(root / "In" / series)
        found.append(image_gap(image, read_nifti(root / "Ref" / f"{name}.nii")))
    return found


@check(
    "Voxel places of 8 GE and Siemens (mosaic) EPI series against dcm2niix's NIfTI, largest distance",
    against="peer",
    unit="mm",
    high=1e-3,
    reason="NIfTI-1 keeps affines in float32; the GE files give positions with 6 digits",
    slow=True,
)
def grid_of_dcm2niix() -> float:
    """Largest distance between corresponding voxel centres."""
    return max(apart for apart, _ in _dcm2niix_gaps())


@check(
    "Values of the same 8 series against dcm2niix's, largest difference",
    against="peer",
    high=0,
    reason="the same stored integers",
    slow=True,
)
def values_of_dcm2niix() -> float:
    """Largest difference of any voxel of any volume."""
    return max(different for _, different in _dcm2niix_gaps())


def _image(modality: str) -> Image:
    """Oblique, anisotropic, offset: seeded noise around a typical level."""
    shape = (7, 33, 41)
    axes = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    affine = axial_affine(shape, (2.5, 0.8, 1.3), (11, -37, 205))
    affine[:3, :3] = axes @ affine[:3, :3]
    values = np.random.default_rng(6).normal(900, 300, shape).astype(np.float32)
    return Image(array=values, affine=affine, quantity=quantity(_KINDS[modality]), modality=modality)


@contextmanager
def _written() -> Iterator[list[tuple[Image, Path]]]:
    with tempfile.TemporaryDirectory() as folder:
        made = []
        for modality in _KINDS:
            image = _image(modality)
            write_series(image, Path(folder) / modality)
            made.append((image, Path(folder) / modality))
        yield made


@check(
    "Oblique CT, MR, PET series and parametric map written and read back, largest distance of a voxel",
    against="known truth",
    unit="mm",
    high=1e-6,
    reason="decimal strings of 16 characters keep at least 10 digits of coordinates below 1 m",
)
def place_after_a_round_trip() -> float:
    """Largest distance between corresponding voxel centres."""
    with _written() as made:
        return max(image_gap(read_series(path)[0], image)[0] for image, path in made)


@check(
    "The same, largest change of a value in units of the stated bound (half a step of 16 bits; none in the map)",
    against="known truth",
    high=1.001,
    reason="rounding to the nearest of the steps; 0.1 % for float32 arithmetic",
)
def value_after_a_round_trip() -> float:
    """Largest change relative to the bound that `to_datasets` states."""
    worst = 0.0
    with _written() as made:
        for image, path in made:
            change = image_gap(read_series(path)[0], image)[1]
            bound = {"CT": 0.5, "OT": 1e-30}.get(image.modality, float(abs(image.array).max()) / 65534)
            worst = max(worst, change / bound)
    return worst


@check(
    "Series written here as SimpleITK (GDCM) reads them, largest distance of a voxel",
    against="peer",
    unit="mm",
    high=1e-6,
    reason="GDCM reads the same decimal strings into double precision",
)
def grid_as_simpleitk_reads_it() -> float:
    """CT, MR and PET: directions, spacing and origin by another reader."""
    import SimpleITK as sitk

    worst = 0.0
    with _written() as made:
        for image, path in made:
            if image.modality == "OT":
                continue
            reader = sitk.ImageSeriesReader()
            reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path)))
            worst = max(worst, image_gap(image.like_simpleitk(reader.Execute()), image)[0])
    return worst


@check(
    "Errors that dciodvfy finds in CT, MR, PET series and a parametric map written here",
    against="peer",
    high=0,
    reason="every attribute the standard asks for is there",
)
def errors_of_dciodvfy() -> float:
    """Number of lines that begin with Error."""
    program = shutil.which("dciodvfy")
    if program is None:
        raise NotAvailableError("program dciodvfy is not installed (Debian package dicom3tools)")
    count = 0
    with _written() as made:
        for _, path in made:
            for file in sorted(path.iterdir())[:1]:
                done = subprocess.run([program, "-new", str(file)], capture_output=True, text=True, check=False)  # noqa: S603
                count += sum(line.startswith("Error") for line in (done.stdout + done.stderr).splitlines())
    return count
