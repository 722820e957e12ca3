"""CT numbers of water and of Catphan-like inserts, beam hardening included."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pellucid.anatomy import phantoms, tissue
from pellucid.anatomy.phantoms import AnalyticPhantom, Shape
from pellucid.anatomy.phantoms.ct import INSERTS, MODULE_LENGTH_MM, insert_centre_mm
from pellucid.image import Image
from pellucid.modalities import xray
from pellucid.modalities.xray import ScanGeometry, Sinogram, monoenergetic, tube_output
from validation import check
from validation.rays import exact_line_integrals
from validation.xray.scans import CURVED

Array = NDArray[np.float64]


@cache
def water_image(*, corrected: bool) -> tuple[Image, float]:
    """A cylinder of water, 200 mm wide, seen by 120 kV without noise, and its radius."""
    scan = replace(CURVED, angles_deg=np.arange(720) * 0.5, columns=512, column_spacing_mm=1.0)
    spectrum = tube_output(120.0, 10.0, 7.0).detected("120 kV")
    cylinder = phantoms.spheres([(12.0, -9.0)], [100.0], [0.1])  # mm to cm
    measured = spectrum.water_line_integral(exact_line_integrals(cylinder, scan)).astype(np.float32)
    raw = Sinogram(data=measured, geometry=scan, spectrum=spectrum)
    return xray.reconstruct(raw, "fbp", matrix=256, beam_hardening_correction=corrected), 100.0


def water_rings(image: Image) -> tuple[float, float]:
    """Mean CT number in the middle and near the edge of the cylinder."""
    points = image.points_lps_mm(np.moveaxis(np.indices(image.shape), 0, -1))
    radius = np.hypot(points[..., 0] - 12, points[..., 1] + 9)
    return float(image.array[radius < 20].mean()), float(image.array[(radius > 80) & (radius < 92)].mean())


@check(
    "Water cylinder, 120 kV: CT number in the middle",
    against="analytic truth",
    reason="Catphan's manual allows water -7 to 7; without noise a tenth is possible",
    unit="HU",
    low=-1.0,
    high=1.0,
    slow=True,
)
def water_value() -> float:
    """With the correction for beam hardening."""
    return water_rings(water_image(corrected=True)[0])[0]


@check(
    "Water cylinder: edge less middle (cupping), corrected",
    against="analytic truth",
    reason="water is linear after the correction; 1 HU is interpolation",
    unit="HU",
    low=-1.0,
    high=1.0,
    slow=True,
)
def water_uniformity() -> float:
    """Cupping that is left."""
    middle, edge = water_rings(water_image(corrected=True)[0])
    return edge - middle


@check(
    "Water cylinder: edge less middle without the correction",
    against="analytic truth",
    reason="beam hardening must show where it is not corrected, or the check above proves nothing",
    unit="HU",
    low=10.0,
    high=80.0,
    slow=True,
)
def water_cupping() -> float:
    """Cupping of 120 kV behind 20 cm of water."""
    middle, edge = water_rings(water_image(corrected=False)[0])
    return edge - middle


@cache
def insert_paths() -> tuple[ScanGeometry, Array]:
    """A fan scan through the sensitometry module, and exact paths through each material [cm] `[…, material]`."""
    catphan = phantoms.catphan()
    middle = np.array([-MODULE_LENGTH_MM / 2])
    scan = replace(CURVED, angles_deg=np.arange(720) * 0.5, columns=512, row_positions_mm=middle)
    paths = []
    for unit in np.eye(len(catphan.tissues))[1:]:
        whole = catphan.analytic(unit)
        here = [
            pair for pair in zip(whole.shapes, whole.amplitudes, strict=True) if pair[1] and reaches(pair[0], middle[0])
        ]
        shapes, amplitudes = zip(*here, strict=True) if here else ((whole.shapes[0],), (0.0,))
        paths.append(exact_line_integrals(AnalyticPhantom(shapes, amplitudes), scan) / 10)
    return scan, np.stack(paths, -1).astype(np.float64)


def reaches(shape: Shape, z: float) -> bool:
    """Whether a shape crosses a slice."""
    low, high = shape.bounds_mm()
    return bool(low[2] <= z <= high[2])


@cache
def insert_values(kind: str) -> tuple[dict[str, float], xray.Spectrum]:
    """CT number of each Catphan-like insert in the picture, and the beam."""
    scan, paths = insert_paths()
    spectrum = monoenergetic(70.0) if kind == "70 keV" else tube_output(120.0, 10.0, 7.0).detected()
    materials = phantoms.catphan().tissues[1:]
    curves = np.stack([item.attenuation_coefficient(spectrum.energies_kev) for item in materials])
    # The sum over energies as the scanner would see it in vacuum.
    measured = -np.log(np.exp(-paths @ curves) @ spectrum.weights).astype(np.float32)
    image = xray.reconstruct(Sinogram(data=measured, geometry=scan, spectrum=spectrum), "fbp", field_of_view_mm=240.0)
    points = image.points_lps_mm(np.moveaxis(np.indices(image.shape), 0, -1))
    values = {}
    for name in INSERTS:
        x, y, _ = insert_centre_mm(name)
        values[name] = float(image.array[np.hypot(points[..., 0] - x, points[..., 1] - y) < 4].mean())
    return values, spectrum


@check(
    "Catphan-like inserts at 70 keV: largest error of a CT number",
    against="analytic truth",
    reason="a thousandth of Teflon's attenuation",
    unit="HU",
    high=2.0,
    slow=True,
)
def inserts_monoenergetic() -> float:
    """Air, PMP, LDPE, polystyrene, acrylic, Delrin, Teflon."""
    values, spectrum = insert_values("70 keV")
    water = tissue("water").attenuation_coefficient(spectrum.energies_kev)[0]
    errors = []
    for name, value in values.items():
        mu = 0.0 if name == "air" else tissue(name).attenuation_coefficient(spectrum.energies_kev)[0]
        errors.append(abs(value - 1000 * (mu / water - 1)))
    return max(errors)


CATPHAN_RANGES = {
    "air": (-1046, -986),
    "pmp": (-220, -172),
    "ldpe": (-121, -87),
    "polystyrene": (-65, -29),
    "pmma": (92, 137),
    "delrin": (344, 387),
    "teflon": (941, 1060),
}
"""CT numbers that the Catphan manual allows."""


@check(
    "Catphan-like inserts at 120 kV: farthest outside the manual's ranges",
    against="published reference",
    reason="inside every range is a negative number",
    unit="HU",
    high=0.0,
    slow=True,
)
def inserts_polychromatic() -> float:
    """Whole spectrum, beam hardening corrected."""
    values, _ = insert_values("120 kV")
    return max(max(low - values[name], values[name] - high) for name, (low, high) in CATPHAN_RANGES.items())
