"""Make the pictures of docs/anatomy.md: python docs/make_pictures/anatomy.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

from pellucid import anatomy
from pellucid.anatomy import Anatomy, phantoms

FOLDER = Path(__file__).parents[1] / "pictures"
COLOURS = {
    "air": "#000000",
    "skin": "#e8b48c",
    "adipose": "#ffe88a",
    "muscle": "#b03a3a",
    "cortical_bone": "#ffffff",
    "spongiosa": "#cbb48f",
    "csf": "#2a62e8",
    "ventricular_csf": "#22c8f0",
    "grey_matter": "#808080",
    "white_matter": "#d6d6d6",
    "thalamus": "#3f9a3f",
    "basal_ganglia": "#9fd23f",
    "vitreous_humour": "#8a86ff",
    "eye_lens": "#f04cf0",
    "sinus_air": "#24245c",
    "tumour": "#ff2020",
    "tumour_necrosis": "#701010",
    "oedema": "#ff9a30",
    "fiducial_marker": "#00f0f0",
    "lung": "#203060",
    "blood": "#e01030",
    "myocardium": "#8c1c50",
    "liver": "#8a5a2c",
    "liver_lesion": "#60e060",
    "kidney": "#c060c0",
    "spleen": "#7030a0",
}
BACKING = {"facecolor": "black", "alpha": 0.6, "linewidth": 0, "pad": 1}
"""Letters stand on bright tissue too."""

PLANES = {"axial": ("R", "L", "A", "P"), "coronal": ("R", "L", "H", "F"), "sagittal": ("A", "P", "H", "F")}


def plane(
    volume: NDArray[Any], affine: NDArray[np.float64], which: str, at_mm: float
) -> tuple[NDArray[Any], list[float]]:
    """A plane as displayed (patient's right on the left, head or front up) and its extent in mm."""
    z, y, x = (affine[2 - i, 3] + affine[2 - i, i] * np.array([-0.5, n - 0.5]) for i, n in enumerate(volume.shape))
    axis = {"axial": 0, "coronal": 1, "sagittal": 2}[which]
    index = round((at_mm - affine[2 - axis, 3]) / affine[2 - axis, axis])
    cut = np.take(volume, index, axis=axis)
    if which == "axial":
        return cut, [*x, y[1], y[0]]
    return cut[::-1], [*(x if which == "coronal" else y), *z]


def show(
    axes: Any, volume: NDArray[Any], affine: NDArray[np.float64], which: str, at_mm: float, title: str, **how: Any
) -> None:
    """Draw one plane with the patient's directions at its edges."""
    cut, extent = plane(volume, affine, which, at_mm)
    axes.imshow(cut, extent=extent, **{"interpolation": "nearest", **how})
    axes.set_title(title, color="white", fontsize=9)
    axes.set_axis_off()
    left, right, top, bottom = PLANES[which]
    for letter, place in ((left, (0.02, 0.5)), (right, (0.95, 0.5)), (top, (0.49, 0.94)), (bottom, (0.49, 0.02))):
        axes.text(*place, letter, transform=axes.transAxes, color="#ffcc44", fontsize=9, bbox=BACKING)


def labels_as(thing: Anatomy) -> dict[str, Any]:
    """How to draw the labels of an anatomy."""
    colours = ListedColormap([COLOURS[tissue.name] for tissue in thing.tissues])
    return {"cmap": colours, "vmin": -0.5, "vmax": len(thing.tissues) - 0.5}


def sheet(rows: int, columns: int, width: float, height: float) -> tuple[Any, Any]:
    """A dark page of panels."""
    return plt.subplots(rows, columns, figsize=(width, height), facecolor="black", squeeze=False, layout="constrained")


def save(figure: Any, name: str, *, dpi: int = 80) -> None:
    """Write one picture."""
    figure.savefig(FOLDER / name, dpi=dpi, facecolor="black", pil_kwargs={"optimize": True})
    plt.close(figure)


def head_picture() -> None:
    """Labels in three planes; what CT, MR and PET see of the same slice."""
    head = anatomy.brain()
    t1, t2 = (head.values(name, field_t=3.0) for name in ("t1", "t2"))
    density = head.values("proton_density")
    seen = {
        "attenuation at 70 keV": (head.property("attenuation_coefficient", energy_kev=70).array, 0.0, 0.42),
        "T1-weighted, 3 T": ((density * (1 - np.exp(-600 / t1)) * np.exp(-10 / t2))[head.labels], 0.0, 0.42),
        "T2-weighted, 3 T": ((density * (1 - np.exp(-4000 / t1)) * np.exp(-90 / t2))[head.labels], 0.0, 0.6),
        "FDG uptake": (head.property("uptake", tracer="fdg").array, 0.0, 12.0),
    }
    figure, axes = sheet(3, 4, 15, 12.5)
    cuts = [("axial", 28), ("axial", 8), ("axial", -44), ("axial", -70), ("coronal", -60), ("coronal", 12)]
    cuts += [("sagittal", 2), ("sagittal", 32)]
    for panel, (which, at) in zip(axes.ravel(), cuts, strict=False):
        show(panel, head.labels, head.affine, which, at, f"{which} {at} mm", **labels_as(head))
    for panel, (title, (volume, low, high)) in zip(axes[2], seen.items(), strict=True):
        show(panel, volume, head.affine, "axial", 28, title, cmap="gray", vmin=low, vmax=high)
    save(figure, "anatomy_head.png")


def torso_picture() -> None:
    """Axial and coronal planes, breathed in and out, end-diastole and end-systole."""
    body = anatomy.torso(spacing_mm=1.5)
    half_beat = anatomy.Motion().heart_period_s / 2
    figure, axes = sheet(2, 4, 15, 7.6)
    for panel, at in zip(axes[0], (90, 45, -45, -125), strict=True):
        show(panel, body.labels, body.affine, "axial", at, f"axial {at} mm", **labels_as(body))
    still = anatomy.torso(spacing_mm=1.5, motion=anatomy.Motion(diaphragm_amplitude_mm=0, chest_amplitude_mm=0))
    moments = [
        (body, 0.0, "coronal", -20.0, "breathed in"),
        (body, 2.0, "coronal", -20.0, "breathed out"),
        (still, 0.0, "axial", 45.0, "end-diastole"),
        (still, half_beat, "axial", 45.0, "end-systole"),
    ]
    for panel, (thing, time, which, at, title) in zip(axes[1], moments, strict=True):
        show(panel, thing.at(time).labels, body.affine, which, at, title, **labels_as(body))
    save(figure, "anatomy_torso.png")


def test_object_picture() -> None:
    """Shepp-Logan and the CT, PET and MR test objects as their scanners see them."""
    figure, axes = sheet(2, 3, 12, 8)
    flat = phantoms.shepp_logan().pixels(512, 0.5)
    axes[0, 0].imshow(flat, cmap="gray", vmin=0, vmax=0.5)
    axes[0, 0].set_title("Shepp-Logan, modified", color="white", fontsize=9)
    axes[0, 0].set_axis_off()
    ct = phantoms.catphan().anatomy((4.0, 0.4, 0.4))
    attenuation = ct.property("attenuation_coefficient", energy_kev=70).array
    show(axes[0, 1], attenuation, ct.affine, "axial", -20, "CT: materials", cmap="gray", vmin=0.14, vmax=0.26)
    # Bars of 0.5 mm need finer voxels, and more than two pixels of the picture each.
    bars = phantoms.catphan().anatomy((4.0, 0.2, 0.2))
    attenuation = bars.property("attenuation_coefficient", energy_kev=70).array
    smooth = {"cmap": "gray", "vmin": 0.1, "vmax": 0.75, "interpolation": "antialiased"}
    show(axes[0, 2], attenuation, bars.affine, "axial", 20, "CT: 1 to 10 line pairs per cm", **smooth)
    axes[0, 2].set(xlim=(-60, 60), ylim=(60, -60))
    body = phantoms.nema_body().anatomy(1.0)
    uptake = body.property("uptake", tracer="fdg").array
    show(axes[1, 0], uptake, body.affine, "axial", 0, "NEMA IEC body: uptake", cmap="gray", vmin=0, vmax=4)
    mr = phantoms.relaxation().anatomy(1.0)
    relaxation = mr.property("t1", field_t=3.0).array * (mr.values("proton_density") > 0)[mr.labels]
    show(axes[1, 1], relaxation, mr.affine, "axial", 25, "MR: T1 balls", cmap="magma", vmin=0, vmax=3200)
    t2 = mr.property("t2", field_t=3.0).array * (mr.values("proton_density") > 0)[mr.labels]
    show(axes[1, 2], t2, mr.affine, "axial", -25, "MR: T2 balls", cmap="magma", vmin=0, vmax=700)
    save(figure, "anatomy_phantoms.png", dpi=110)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    head_picture()
    torso_picture()
    test_object_picture()
