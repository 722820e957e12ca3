"""Make the pictures of docs/mr.md: python docs/make_pictures/mr.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from pellucid import anatomy
from pellucid.anatomy import Anatomy
from pellucid.modalities import mr

FOLDER = Path(__file__).parents[1] / "pictures"


def show(pictures: list[tuple[str, NDArray[Any]]], name: str) -> None:
    """Axial pictures side by side, the patient's right on the left, windowed for the brain."""
    rows, columns = pictures[0][1].shape
    size = (3.1 * len(pictures), 3.1 * rows / columns + 0.35)
    figure, axes = plt.subplots(1, len(pictures), figsize=size, layout="constrained")
    for axis, (title, picture) in zip(axes, pictures, strict=True):
        brain = picture[rows // 4 : -rows // 4, columns // 4 : -columns // 4]
        axis.imshow(picture, cmap="gray", vmin=0, vmax=1.25 * np.percentile(brain, 99))
        axis.set_title(title, fontsize=10)
        axis.axis("off")
        for letter, place in zip("RLAP", ((0.04, 0.5), (0.96, 0.5), (0.5, 0.97), (0.5, 0.03)), strict=True):
            axis.text(*place, letter, transform=axis.transAxes, ha="center", va="center", color="#ffcc44", fontsize=9)
    figure.savefig(FOLDER / name, dpi=90)
    plt.close(figure)


def middle(image: Any) -> NDArray[Any]:
    """The middle slice."""
    array: NDArray[Any] = image.array[image.shape[0] // 2]
    return array


def contrasts(patient: Anatomy) -> None:
    """T1, T2 and FLAIR of one slice."""
    found = []
    for name, title in (("t1_gre", "T1 spoiled gradient echo"), ("t2_se", "T2 spin echo"), ("flair", "FLAIR")):
        found.append((title, middle(mr.reconstruct(mr.scan(patient, name, slices=15)))))
    show(found, "mr_contrasts.png")


def undersampled(patient: Anatomy) -> None:
    """One in four random lines by three methods, and all lines."""
    full = mr.scan(patient, "t2_se", slices=9)
    few = mr.scan(patient, "t2_se", slices=9, sampling="poisson", acceleration_phase=4.0)
    found = [("all lines", middle(mr.reconstruct(full)))]
    for method, title in (("fft", "1 line in 4, zero filled"), ("sense", "SENSE"), ("l1_wavelet", "wavelets")):
        found.append((title, middle(mr.reconstruct(few, method))))
    show(found, "mr_undersampled.png")


def radial(patient: Anatomy) -> None:
    """Spokes: all, and one in four, gridded and by SENSE."""
    raw = mr.scan(patient, "t1_radial", slices=5, acceleration_phase=1.0)
    found = [
        (f"{raw.samples.shape[3]} spokes, gridded", middle(mr.reconstruct(raw, "nufft"))),
        ("one in 5, gridded", middle(mr.reconstruct(raw, "nufft", undersampling=5))),
        ("one in 5, SENSE", middle(mr.reconstruct(raw, "sense", undersampling=5))),
        ("one in 5, total variation", middle(mr.reconstruct(raw, "total_variation", undersampling=5))),
    ]
    show(found, "mr_radial.png")


if __name__ == "__main__":
    head = anatomy.brain()
    contrasts(head)
    undersampled(head)
    radial(head)
