"""Make the picture of docs/jpip.md: python docs/make_pictures/jpip.py."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian
from scipy.ndimage import gaussian_filter, zoom
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pellucid import anatomy, jpip
from pellucid.archive import Archive

FOLDER = Path(__file__).parents[1] / "pictures"
ROOT = "1.2.826.0.1.3680043.10.1462.7"
SIZE = 2048
REGION = (1000, 620, 256, 256)
PART = np.s_[400:1100, 700:1400]


def radiograph() -> NDArray[np.uint16]:
    """A parallel radiograph of the digital patient's torso from the front, with the noise of 10⁴ photons a pixel."""
    torso = anatomy.torso()
    attenuation = torso.property("attenuation_coefficient", energy_kev=70.0)
    depth_cm = float(np.linalg.norm(attenuation.affine[:3, 1])) / 10
    lines = attenuation.array.sum(axis=1) * depth_cm
    across, along = (float(np.linalg.norm(attenuation.affine[:3, axis])) for axis in (2, 0))
    if attenuation.affine[2, 0] > 0:  # the head is at the top
        lines = lines[::-1]
    fine = zoom(lines, (along / across * SIZE / lines.shape[1], SIZE / lines.shape[1]), order=1)[:SIZE]
    photons = np.random.default_rng(1).poisson(1e4 * np.exp(-gaussian_filter(fine, 4) / 3))
    return np.clip(-np.log(np.maximum(photons, 1) / 1e4) * 12_000, 0, 65_535).astype(np.uint16)


def instance(pixels: NDArray[np.uint16]) -> Dataset:
    """The radiograph as it is stored."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = DigitalXRayImageStorageForPresentation
    made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID = f"{ROOT}.1", f"{ROOT}.1.1", f"{ROOT}.1.1.1"
    made.PatientName, made.PatientID, made.Modality = "Digital^Patient", "D1", "DX"
    made.Rows, made.Columns = pixels.shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation = 15, 0
    made.PixelData = pixels.tobytes()
    return made


def draw(axes: Any, picture: NDArray[Any], title: str) -> None:
    """One panel: the same part and window in all."""
    axes.imshow(picture[PART], cmap="gray", vmin=4_000, vmax=30_000, interpolation="nearest")
    axes.set_title(title, color="white", fontsize=10)
    axes.set_axis_off()


def main() -> None:
    """The picture as it comes, and a region of it."""
    pixels = radiograph()
    with TemporaryDirectory() as folder, Archive(Path(folder) / "archive") as archive:
        file = Path(folder) / "radiograph.dcm"
        instance(pixels).save_as(file, enforce_file_format=True)
        archive.store(file)
        http = TestClient(Starlette(routes=jpip.routes(archive)), base_url="http://localhost")
        address = f"http://localhost/jpip?target=instances/{ROOT}.1.1.1"
        total = len(http.get(f"{address}&type=raw").content)
        figure, panels = plt.subplots(1, 4, figsize=(16, 4.3), facecolor="black")
        for axes, share in zip(panels, (0.002, 0.01, 0.06), strict=False):
            client = jpip.Client(address, http=http)
            client.fetch(length=int(share * total))
            draw(axes, client.decode(), f"{client.received / total:.1%} of {total / 1e6:.1f} MB")
        client = jpip.Client(address, http=http)
        client.fetch(REGION)
        draw(panels[3], client.decode(), f"the framed region as it is: {client.received / total:.1%}")
        left, top, width, height = REGION
        corner = (left - PART[1].start, top - PART[0].start)
        panels[3].add_patch(plt.Rectangle(corner, width, height, fill=False, color="#ffcc44", linewidth=1))
        figure.tight_layout(pad=0.4)
        figure.savefig(FOLDER / "jpip.png", dpi=80, facecolor="black", pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main()
