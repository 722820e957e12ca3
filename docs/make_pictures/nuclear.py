"""Make the pictures of docs/nuclear.md: python docs/make_pictures/nuclear.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from pellucid import anatomy
from pellucid.anatomy.phantoms.nema import sphere_centres_mm
from pellucid.image import Image
from pellucid.modalities import nuclear
from validation.nuclear import positivity, recovery

FOLDER = Path(__file__).parents[1] / "pictures"


def planes(axes: Any, image: Image, like: Image, position_lps_mm: Sequence[float], most: float, title: str) -> None:
    """Axial, coronal and sagittal through a point, as radiologists see them, of the part of the patient in `like`."""
    k, j, i = (int(n) for n in np.round(image.indices_of(position_lps_mm)))
    (z, y, x), (low_z, low_y, low_x) = edges_mm(image), edges_mm(like)
    array = image.array
    for axis, picture, extent, wide, high, letters in (
        (axes[0], array[k], [*x, *y[::-1]], low_x, low_y[::-1], "RLAP"),
        (axes[1], array[:, j], [*x, *z], low_x, low_z, "RLHF"),
        (axes[2], array[:, :, i], [*y, *z], low_y, low_z, "APHF"),
    ):
        origin = "upper" if letters == "RLAP" else "lower"
        shown = axis.imshow(picture, cmap="gray_r", vmin=0, vmax=most, extent=extent, origin=origin)
        axis.set(xlim=wide, ylim=high)
        axis.set_xticks([])
        axis.set_yticks([])
        for letter, x, y in zip(letters, (0.06, 0.94, 0.5, 0.5), (0.5, 0.5, 0.93, 0.07), strict=True):
            axis.text(x, y, letter, transform=axis.transAxes, ha="center", va="center", color="tab:red")
    axes[0].set_title(title, loc="left", fontsize=10)
    plt.colorbar(shown, ax=axes[2], label="SUV g/ml", shrink=0.8)


def edges_mm(image: Image) -> list[tuple[float, float]]:
    """Where the grid begins and ends along z, y and x: its axes are the patient's."""
    first, last = image.points_lps_mm([[-0.5, -0.5, -0.5], np.array(image.shape) - 0.5])
    return [(float(first[axis]), float(last[axis])) for axis in (2, 1, 0)]


def head() -> None:
    """The demonstration head: truth, OSEM, FBP, and its raw data."""
    patient = anatomy.brain()
    raw = nuclear.scan(patient, "brain_fdg")
    figure, axes = plt.subplots(4, 3, figsize=(9, 11.8), layout="constrained")
    truth = patient.property("uptake", tracer="fdg")
    osem = nuclear.suv_body_weight(nuclear.reconstruct(raw, "osem"))
    fbp = nuclear.suv_body_weight(nuclear.reconstruct(raw, "fbp"))
    hottest = truth.points_lps_mm(np.argwhere(patient.mask("tumour")).mean(axis=0))
    place = hottest.tolist()
    planes(axes[0], truth, truth, place, 12, "What was put in: FDG uptake")
    planes(axes[1], osem, truth, place, 12, "OSEM, 3 iterations of 12 subsets, 4 mm filter")
    planes(axes[2], fbp, truth, place, 12, "FBP after single-slice rebinning, 4 mm filter")
    views = (
        (raw.prompts[:, :, 63], "prompts, central plane", "radial bin", "view"),
        (raw.scatter[:, :, 63], "expected scatter", "radial bin", "view"),
        (raw.prompts[0, :, :127].T[::-1], "prompts, first view", "radial bin", "plane"),
    )
    for axis, (picture, title, x, y) in zip(axes[3], views, strict=True):
        plt.colorbar(axis.imshow(picture, cmap="viridis", aspect="auto"), ax=axis, label="counts")
        axis.set(title=title, xlabel=x, ylabel=y)
    figure.savefig(FOLDER / "nuclear_head.png", dpi=90)


def evidence() -> None:
    """Recovery coefficients beside EARL's bands, and the worth of positivity."""
    found = recovery.recovery()
    figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    diameters = [int(d) for d in sphere_centres_mm()]
    for axis, kind, bands in ((axes[0], "a50", recovery.A50), (axes[1], "maximum", recovery.MAXIMUM)):
        low, high = zip(*(bands[d] for d in diameters), strict=True)
        axis.fill_between(diameters, low, high, color="tab:blue", alpha=0.25, label="EARL 2017 band")
        axis.plot(diameters, [found[kind][d] for d in diameters], "o-", color="black", label="OSEM 3i21s, 6.5 mm")
        axis.set(xlabel="sphere diameter [mm]", ylabel="recovery coefficient", title=kind, ylim=(0, 1.3))
        axis.legend()
    rows = [row for row in positivity.table() if row.what == "counts"]
    size = np.sqrt(np.mean(np.square(positivity.scene()[2])))
    for name, style in (("unconstrained", "s--"), ("constrained", "o-"), ("likelihood", "^:")):
        axes[2].plot([row.fraction for row in rows], [getattr(row, name) / size for row in rows], style, label=name)
    axes[2].set(xscale="log", xlabel="fraction of the counts", ylabel="relative error", title="positivity")
    axes[2].set_xticks(positivity.FRACTIONS, ["1", "1/2", "1/4", "1/8"])
    axes[2].minorticks_off()
    axes[2].legend()
    figure.savefig(FOLDER / "nuclear_evidence.png", dpi=90)


if __name__ == "__main__":
    head()
    evidence()
