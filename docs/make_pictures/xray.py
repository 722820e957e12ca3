"""Make the pictures of docs/xray.md: python docs/make_pictures/xray.py."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

import pellucid
from pellucid import anatomy
from pellucid.anatomy import phantoms
from pellucid.image import Image
from pellucid.modalities import xray
from pellucid.modalities.xray import ScanGeometry, Sinogram
from pellucid.modalities.xray.forward import ray_transform
from pellucid.modalities.xray.geometry import Grid

FOLDER = Path(__file__).parents[1] / "pictures"
DATA = Path(os.environ.get("PELLUCID_TEST_DATA", Path(__file__).parents[2] / "../shared/data"))


def sheet(rows: int, columns: int, width: float, height: float) -> tuple[Any, Any]:
    """A dark page of panels."""
    return plt.subplots(rows, columns, figsize=(width, height), facecolor="black", squeeze=False, layout="constrained")


def draw(axes: Any, picture: NDArray[Any], title: str, **how: Any) -> None:
    """One panel."""
    axes.imshow(picture, **{"cmap": "gray", "interpolation": "nearest", **how})
    axes.set_title(title, color="white", fontsize=10)
    axes.set_axis_off()


def letters(axes: Any, left: str, right: str, top: str, bottom: str) -> None:
    """Patient directions at a panel's edges."""
    for letter, place in ((left, (0.02, 0.5)), (right, (0.94, 0.5)), (top, (0.48, 0.93)), (bottom, (0.48, 0.02))):
        axes.text(*place, letter, transform=axes.transAxes, color="#ffcc44", fontsize=10)


def save(figure: Any, name: str) -> None:
    """Write one picture."""
    figure.savefig(FOLDER / name, dpi=80, facecolor="black", pil_kwargs={"optimize": True})
    plt.close(figure)


def head_picture() -> None:
    """The head protocol: a sinogram, and the reconstruction in three planes."""
    raw = xray.scan(anatomy.brain(), "head", seed=1)
    image = xray.reconstruct(raw, field_of_view_mm=250.0)
    figure, axes = sheet(1, 4, 16, 4.3)
    draw(axes[0, 0], raw.signal_views()[0].array, "sinogram of one slice", aspect="auto")
    brain = {"vmin": -40, "vmax": 110}
    index = np.rint(image.indices_of((0.0, -10.0, 35.0))).astype(int)
    draw(axes[0, 1], image.array[index[0]], "axial, -40 … 110 HU", **brain)
    letters(axes[0, 1], "R", "L", "A", "P")
    ratio = image.spacing_mm[0] / image.spacing_mm[1]
    draw(axes[0, 2], image.array[::-1, index[1]], "coronal", aspect=ratio, **brain)
    letters(axes[0, 2], "R", "L", "H", "F")
    bone = {"vmin": -700, "vmax": 1800}
    draw(axes[0, 3], image.array[::-1, :, index[2]], "sagittal, -700 … 1800 HU", aspect=ratio, **bone)
    letters(axes[0, 3], "A", "P", "H", "F")
    save(figure, "xray_head.png")


def tooth_picture() -> None:
    """The real tooth: four methods, and what a wrong axis of rotation does."""
    raw = pellucid.read(DATA / "xray/tooth_tomopy/tooth.h5")
    if not isinstance(raw, Sinogram):
        raise TypeError("the tooth is a sinogram")
    view = {"matrix": 512, "field_of_view_mm": 400.0}
    moved = replace(raw, geometry=replace(raw.geometry, column_offset_mm=raw.geometry.column_offset_mm + 4))
    pictures: list[tuple[str, Image]] = [
        ("FBP, axis 4 pixels off", xray.reconstruct(moved, "fbp", **view)),
        ("FBP, axis found", xray.reconstruct(raw, "fbp", **view)),
        ("SIRT, 1/4 of the views", xray.reconstruct(raw, "sirt", keep_every=4, iterations=100)),
        ("TV, 1/4 of the views", xray.reconstruct(raw, "tv", keep_every=4, iterations=100)),
    ]
    figure, axes = sheet(1, 4, 16, 4.3)
    for panel, (title, image) in zip(axes[0], pictures, strict=True):
        pixel = image.spacing_mm[1]
        half, middle = round(140.0 / pixel), image.shape[1] // 2
        row, column = middle - round(13.0 / pixel), middle + round(8.0 / pixel)
        cut = image.array[0, row - half : row + half, column - half : column + half]
        draw(panel, cut, title, vmin=-0.005, vmax=0.1)
    save(figure, "xray_tooth.png")


def few_views_picture() -> None:
    """Shepp-Logan from 30 noisy views."""
    size = 256
    scan = ScanGeometry(
        beam="parallel",
        angles_deg=np.arange(30) * 6.0,
        columns=300,
        column_spacing_mm=1.0,
        row_positions_mm=np.zeros(1),
    )
    grid = Grid(shape=(1, 1024, 1024), spacing_mm=(1.0, size / 1024, size / 1024))
    head = phantoms.shepp_logan(size_mm=float(size))
    exact = ray_transform(scan, grid)(head.pixels(1024, size / 1024)[None] / 100)
    counts = np.random.default_rng(0).poisson(2e5 * np.exp(-exact)).astype(np.float32)
    raw = Sinogram(data=counts, geometry=scan, signal="counts", unattenuated_counts=2e5)
    view = {"matrix": size, "field_of_view_mm": float(size)}
    solver = {**view, "iterations": 300}
    pictures = [
        ("FBP", xray.reconstruct(raw, "fbp", filter="ram_lak", **view)),
        ("SIRT, positive", xray.reconstruct(raw, "sirt", **solver)),
        ("TV, not positive", xray.reconstruct(raw, "tv", non_negative=False, regularisation=5e-4, **solver)),
        ("TV, positive", xray.reconstruct(raw, "tv", regularisation=5e-4, **solver)),
    ]
    figure, axes = sheet(1, 4, 16, 4.3)
    for panel, (title, image) in zip(axes[0], pictures, strict=True):
        draw(panel, image.array[0], title, vmin=0, vmax=0.05)
    save(figure, "xray_few_views.png")


if __name__ == "__main__":
    head_picture()
    tooth_picture()
    few_views_picture()
