"""The picture of docs/dicom.md: a tilted T1 map of the digital head, written as DICOM and read back."""

import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np

from pellucid import anatomy
from pellucid.dicom import read_series, write_series
from pellucid.image import Image, resample

mpl.use("agg")
from matplotlib import pyplot as plt

TARGET = Path(__file__).parents[1] / "pictures" / "dicom_planes.png"
LETTERS = ("L", "R"), ("P", "A"), ("H", "F")


def main() -> None:
    """Write the picture."""
    image = series_of_a_tilted_map()
    middle = [length // 2 for length in image.shape]
    figure, frames = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
    for axis, (frame, title) in enumerate(zip(frames, ("slice", "row", "column"), strict=True)):
        plane = np.take(image.array, middle[axis], axis=axis)
        down, right = (a for a in range(3) if a != axis)
        spacing = image.spacing_mm
        origin = "lower" if down == 0 else "upper"  # slices rise towards the head: draw the head above
        frame.imshow(plane, cmap="magma", vmin=0, vmax=4000, aspect=spacing[down] / spacing[right], origin=origin)
        frame.set_title(f"middle {title}", fontsize=9)
        frame.set_xticks([])
        frame.set_yticks([])
        up = 1 if down == 0 else -1
        ends = ((right, 1, 0.96, 0.5), (right, -1, 0.04, 0.5), (down, -up, 0.5, 0.04), (down, up, 0.5, 0.96))
        for index_axis, sign, x, y in ends:
            text = letters(sign * image.affine[:3, index_axis])
            frame.text(x, y, text, transform=frame.transAxes, color="w", ha="center", va="center", fontsize=9)
    figure.colorbar(frame.images[0], ax=frames, label=f"{image.quantity.meaning} [{image.quantity.unit}]", shrink=0.8)
    TARGET.parent.mkdir(exist_ok=True)
    figure.savefig(TARGET, dpi=80)


def series_of_a_tilted_map() -> Image:
    """T1 at 3 T on a grid turned by 25 degrees about the left-right axis, through DICOM and back."""
    head = anatomy.brain()
    full = replace(head.property("t1", field_t=3.0), modality="MR", description="T1 map, tilted")
    angle = np.radians(25)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    shape, spacing = (60, 150, 120), np.diag([4.0, 1.75, 1.75])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.array([[0, 0, 1.0], [0, 1, 0], [1, 0, 0]]) @ spacing
    centre = full.points_lps_mm((np.array(full.shape) - 1) / 2)
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    tilted = resample(full, affine, shape)
    with tempfile.TemporaryDirectory() as folder:
        write_series(tilted, Path(folder))
        (back,) = read_series(folder)
    return back


def letters(direction: np.ndarray) -> str:
    """Where a direction points in the patient, the largest part first."""
    parts = sorted(range(3), key=lambda axis: -abs(direction[axis]))
    size = np.linalg.norm(direction)
    return "".join(LETTERS[a][0 if direction[a] > 0 else 1] for a in parts if abs(direction[a]) > 0.2 * size)


if __name__ == "__main__":
    main()
