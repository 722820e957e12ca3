"""Series with markers at known places, so that a flipped, swapped or shifted picture shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    PositronEmissionTomographyImageStorage,
    generate_uid,
)

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Marked:
    """A CT volume: `values` [slice, row, column] in HU, `affine` (slice, row, column) → LPS mm, markers in LPS mm."""

    values: NDArray[np.int16]
    affine: Vector
    markers: dict[str, Vector]

    def point(self, index: tuple[float, float, float]) -> Vector:
        """Patient coordinates of an index."""
        return self.affine[:3, :3] @ np.asarray(index, float) + self.affine[:3, 3]

    @property
    def centre(self) -> Vector:
        """Middle of the volume in LPS mm."""
        return self.point(tuple((np.array(self.values.shape) - 1) / 2))


DIRECTIONS = {
    # slice, row and column direction; the last one has its slices from left to right of the patient.
    "axial": ((0, 0, 1), (0, 1, 0), (1, 0, 0)),
    "sagittal": ((-1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "coronal": ((0, 1, 0), (0, 0, -1), (1, 0, 0)),
}


def marked(acquired: str) -> Marked:
    """A volume acquired in one plane, with three bright cubes off every symmetry axis; sizes and spacings differ."""
    spacing = np.array([3.0, 1.5, 1.0])
    shape = (25, 48, 70)
    affine = np.eye(4)
    affine[:3, :3] = np.array(DIRECTIONS[acquired], float).T * spacing
    affine[:3, 3] = (-20.0, 35.0, 110.0)
    values = np.full(shape, -200, np.int16)
    indices = {"first": (6, 12, 14), "second": (12, 36, 50), "third": (19, 20, 58)}
    for height, (slice_, row, column) in zip((300, 600, 900), indices.values(), strict=True):
        values[slice_ - 1 : slice_ + 2, row - 2 : row + 3, column - 3 : column + 4] = height
    volume = Marked(values, affine, {})
    return Marked(values, affine, {name: volume.point(index) for name, index in indices.items()})


def write(volume: Marked, folder: Path, patient: str) -> list[Path]:
    """The volume as CT files in no helpful order: names and instance numbers run against the slices."""
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    step = np.linalg.norm(volume.affine[:3, :3], axis=0)
    directions = volume.affine[:3, :3] / step
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(len(volume.values)):
        data = _instance(patient, study, series, frame, number=len(volume.values) - index)
        data.Rows, data.Columns = volume.values.shape[1:]
        data.PixelSpacing = [float(step[1]), float(step[2])]
        data.SliceThickness = float(step[0])
        data.ImageOrientationPatient = [*map(float, directions[:, 2]), *map(float, directions[:, 1])]
        data.ImagePositionPatient = [float(v) for v in volume.point((index, 0, 0))]
        data.PixelData = (volume.values[index] + 1024).astype("<u2").tobytes()
        path = folder / f"{data.InstanceNumber:03}.dcm"
        data.save_as(path, enforce_file_format=True)
        paths.append(path)
    return sorted(paths)


def write_pet_and_ct(folder: Path, patient: str) -> tuple[list[Path], list[Path]]:
    """The axial volume as CT, and in its frame of reference a PET series [SUV g/ml].

    Its uptake: the markers, the third the hottest, and a cooler block around the centre, so that the three planes
    through the centre all show colours.
    """
    volume = marked("axial")
    ct = write(volume, folder / "ct", patient)
    uptake = _uptake(volume)
    series, pet = generate_uid(), []
    (folder / "pt").mkdir()
    for path in ct:
        data = pydicom.dcmread(path)
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = PositronEmissionTomographyImageStorage
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
        data.SeriesInstanceUID, data.SeriesNumber, data.SeriesDescription = series, 2, "Uptake"
        data.Modality, data.Units = "PT", "GML"
        data.PixelData = uptake[len(ct) - data.InstanceNumber].astype("<u2").tobytes()
        data.RescaleIntercept, data.RescaleSlope = 0, 0.01
        del data.RescaleType, data.WindowCenter, data.WindowWidth
        data.save_as(folder / "pt" / path.name, enforce_file_format=True)
        pet.append(folder / "pt" / path.name)
    return ct, pet


def _uptake(volume: Marked) -> NDArray[np.uint16]:
    """In hundredths of 1 g/ml: what exceeds -200 HU in the markers, 4 g/ml in a block around the centre."""
    background = int(volume.values.min())
    uptake = np.zeros(volume.values.shape, np.uint16)
    middle = np.array(uptake.shape) // 2
    uptake[tuple(slice(m - half, m + half + 1) for m, half in zip(middle, (5, 6, 9), strict=True))] = 400
    is_marker = volume.values > background
    uptake[is_marker] = volume.values[is_marker] - background
    return uptake


def _instance(patient: str, study: str, series: str, frame: str, *, number: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", pydicom.Dataset(), file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = study, series, frame
    data.PatientName, data.PatientID = patient, patient
    data.PatientBirthDate, data.PatientSex = "", "O"
    data.StudyDate, data.StudyTime, data.StudyID, data.AccessionNumber = "20260102", "030405", "1", ""
    data.ReferringPhysicianName = ""
    data.Modality, data.SeriesNumber, data.InstanceNumber = "CT", 1, number
    data.SeriesDescription = "Markers"
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = -1024, 1, "HU"
    data.WindowCenter, data.WindowWidth = 350, 1100
    return data
