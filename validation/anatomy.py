"""Tissues, head, torso and test objects against published tables, standards, and numeric integrals."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.integrate import quad

from pellucid import anatomy
from pellucid.anatomy import Anatomy, phantoms
from pellucid.anatomy.phantoms import nema
from pellucid.dicom import from_datasets, to_datasets
from pellucid.image import Image
from pellucid.modalities import mr, nuclear, xray
from validation import check
from validation.markers import offsets_mm

# NIST X-Ray Mass Attenuation Coefficients (10.18434/T4D01F), tables 3 and 4: keV → cm2/g with coherent scattering.
NIST_WATER = {
    10: 5.329, 15: 1.673, 20: 0.8096, 30: 0.3756, 40: 0.2683, 50: 0.2269, 60: 0.2059, 80: 0.1837,
    100: 0.1707, 150: 0.1505, 200: 0.1370, 300: 0.1186, 400: 0.1061, 500: 0.09687, 600: 0.08956,
}  # fmt: skip
NIST_CORTICAL_BONE = {
    20: 4.001, 30: 1.331, 40: 0.6655, 50: 0.4242, 60: 0.3148, 80: 0.2229, 100: 0.1855, 150: 0.1480, 200: 0.1309,
    300: 0.1113,
}  # fmt: skip
NIST_SOFT = {
    "adipose": {30: 0.3063, 60: 0.1974, 100: 0.1688, 200: 0.1368, 500: 0.09696},
    "muscle": {30: 0.3783, 60: 0.2048, 100: 0.1693, 200: 0.1358, 500: 0.09598},
    "lung": {30: 0.3815, 60: 0.2053, 100: 0.1695, 200: 0.1359, 500: 0.09607},
}

# The Phantom Laboratory, Catphan 503 manual: range of CT numbers seen on scanners.
CATPHAN_HU = {
    "air": (-1046, -986), "pmp": (-220, -172), "ldpe": (-121, -87), "polystyrene": (-65, -29), "pmma": (92, 137),
    "delrin": (344, 387), "teflon": (941, 1060),
}  # fmt: skip


def worst_deviation(tissue: str, table: dict[int, float]) -> float:
    """Largest relative difference of the mass attenuation coefficient from a table."""
    found = anatomy.mass_attenuation(anatomy.tissue(tissue).composition, list(table))
    return float(np.max(np.abs(found / np.array(list(table.values())) - 1)))


@check(
    "Mass attenuation of water, 10 to 600 keV: worst relative difference from NIST",
    against="published reference",
    high=0.002,
    reason="NIST prints four digits; the two evaluations' scattering tables agree to about 0.1 %",
)
def attenuation_of_water() -> float:
    """Water against NIST."""
    return worst_deviation("water", NIST_WATER)


@check(
    "Mass attenuation of cortical bone, 20 to 300 keV: worst relative difference from NIST",
    against="published reference",
    high=0.005,
    reason="NIST prints four digits; photoelectric tables of calcium agree to a few tenths of a per cent",
)
def attenuation_of_bone() -> float:
    """Cortical bone (ICRU 44) against NIST."""
    return worst_deviation("cortical_bone", NIST_CORTICAL_BONE)


@check(
    "Mass attenuation of fat, muscle and lung, 30 to 500 keV: worst relative difference from NIST",
    against="published reference",
    high=0.002,
    reason="as for water",
)
def attenuation_of_soft_tissue() -> float:
    """Adipose tissue, skeletal muscle and lung (ICRU 44) against NIST."""
    return max(worst_deviation(name, table) for name, table in NIST_SOFT.items())


@check(
    "CT numbers of the CT test object's inserts at 70 keV: farthest outside the manufacturer's range",
    against="published reference",
    unit="HU",
    high=5.0,
    reason="one energy stands for a spectrum; polystyrene's density is 1.03 to 1.06 g/cm3, 10 HU a hundredth",
)
def ct_numbers_of_inserts() -> float:
    """Inserts against the Catphan manual."""
    water = anatomy.tissue("water").attenuation_coefficient(70)[0] / anatomy.tissue("water").density_g_per_cm3
    worst = 0.0
    for name, (low, high) in CATPHAN_HU.items():
        number = 1000 * (anatomy.tissue(name).attenuation_coefficient(70)[0] / water - 1)
        worst = max(worst, low - number, number - high)
    return float(worst)


@check(
    "Shepp-Logan ray integrals: worst difference from adaptive quadrature",
    against="analytic truth",
    unit="mm",
    high=1e-9,
    reason="between the jumps the value is constant: only rounding is left",
)
def shepp_logan_rays() -> float:
    """Lines in all directions; the jumps come from solving each ellipse's quadratic as a polynomial."""
    head = phantoms.shepp_logan(size_mm=256.0)
    random = np.random.default_rng(7)
    worst = 0.0
    for origin, along in zip(random.uniform(-90, 90, (40, 2)), random.normal(size=(40, 2)), strict=True):
        unit = along / np.linalg.norm(along)
        jumps = sorted(jump for shape in head.shapes for jump in crossings(shape, origin, unit))
        pieces = zip([-400.0, *jumps], [*jumps, 400.0], strict=True)
        total = sum((b - a) * float(head.value(origin + (a + b) / 2 * unit)) for a, b in pieces)
        worst = max(worst, abs(float(head.ray_integral(origin, along)) - total))
    return worst


def crossings(shape: phantoms.Shape, origin: np.ndarray, unit: np.ndarray) -> list[float]:
    """Where a line crosses an ellipse: real roots of |A⁻¹Rᵀ(o + t u − c)|² − 1."""
    assert isinstance(shape, phantoms.Ellipsoid)
    start = (shape.rotation.T @ (origin - shape.centre_mm)) / shape.semi_axes_mm
    step = (shape.rotation.T @ unit) / shape.semi_axes_mm
    roots = np.roots([step @ step, 2 * start @ step, start @ start - 1])
    return [float(root.real) for root in roots if abs(root.imag) < 1e-12]


@check(
    "k-space of ellipsoid, cylinder and box: worst difference from adaptive quadrature, relative to F(0)",
    against="analytic truth",
    high=1e-9,
    reason="the quadrature's own tolerance of 1e-10",
)
def kspace_of_shapes() -> float:
    """F(k) along a line as the 1-D Fourier integral of the shape's areas across that line."""
    ball = phantoms.Ellipsoid(centre_mm=[0, 0, 0], semi_axes_mm=[8.0, 5.0, 3.0])
    rod = phantoms.Cylinder(centre_mm=[0, 0, 0], semi_axes_mm=[6.0, 4.0], length_mm=14.0)
    block = phantoms.Box(centre_mm=[0, 0, 0], size_mm=[9.0, 5.0, 7.0])
    disc = phantoms.Ellipsoid(centre_mm=[0, 0], semi_axes_mm=[8.0, 5.0])
    cases = [
        (ball, 3, 8.0, lambda x: np.pi * 15 * (1 - (x / 8) ** 2)),
        (rod, 3, 6.0, lambda x: 14 * 2 * 4 * np.sqrt(1 - (x / 6) ** 2)),
        (block, 3, 4.5, lambda _: 35.0),
        (disc, 2, 8.0, lambda x: 2 * 5 * np.sqrt(1 - (x / 8) ** 2)),
    ]
    worst = 0.0
    for shape, dimensions, reach, area in cases:
        whole = quad(area, -reach, reach, epsabs=1e-11, limit=400)[0]
        for k in (0.0, 0.013, 0.08, 0.31):
            dense = 2 * quad(area, 0, reach, weight="cos", wvar=2 * np.pi * k, epsabs=1e-10, limit=400)[0]
            at = np.eye(dimensions)[0] * k
            worst = max(worst, abs(shape.fourier(at) - dense) / whole)
    return float(worst)


@check(
    "Fillable volume of the NEMA IEC body phantom without inserts",
    against="published reference",
    unit="l",
    low=9.5,
    high=9.9,
    reason="manufacturers state 9.7 l for an inside length of 180 mm",
)
def nema_volume() -> float:
    """Inside of the body by ray integrals through the exact shape on a fine grid of rays."""
    bodies = [part.shape for part in nema.nema_body().parts if part.tissue == "background"]
    step = 0.5
    x, z = np.meshgrid(np.arange(-160, 160, step) + step / 2, [0.0])
    origins = np.stack([x, np.full_like(x, -300.0), z], axis=-1)
    area = sum(float(body.chord_mm(origins, [0.0, 1.0, 0.0]).sum()) for body in bodies) * step
    return area * nema.INNER_LENGTH_MM / 1e6


@check(
    "Ejection fraction of the torso's left ventricle, by voxels",
    against="known truth",
    low=0.58,
    high=0.62,
    reason="set to 0.60; 1 mm voxels know 56 ml to 1 %",
)
def ejection_fraction() -> float:
    """Blood of the left ventricle at end-diastole and end-systole."""
    from pellucid.anatomy import heart

    motion = anatomy.Motion()
    volumes = []
    for time in (0.0, motion.heart_period_s / 2):
        chamber = heart.chambers(motion.contraction(time), motion.stroke_fraction, np.zeros(3))[-1]
        low, high = chamber.blood.bounds_mm()
        axes = [np.arange(a, b) for a, b in zip(low, high, strict=True)]
        volumes.append(np.count_nonzero(chamber.blood.contains(np.stack(np.meshgrid(*axes), axis=-1))))
    return 1 - volumes[1] / volumes[0]


@cache
def head() -> Anatomy:
    """One patient for every scanner."""
    return anatomy.brain()


def farthest_marker(image: Image, *, above: float | None = None) -> float:
    """The largest distance of the head's eight markers from their places along an axis of `image`, in voxels.

    The image is first written as DICOM and read again; infinite where it is not in the patient's frame of reference.
    """
    (read,) = from_datasets(to_datasets(image))
    if read.study.frame_of_reference_uid != head().study.frame_of_reference_uid:
        return float("inf")
    return float(np.max(np.abs(offsets_mm(read, head(), above=above)) / read.spacing_mm))


@check(
    "Eight markers on the head's skin in its CT, farthest from their places",
    against="known truth",
    unit="voxel",
    high=0.25,
    reason="the patient's labels are of 1 mm, two of the CT's columns; half a voxel amiss must not pass",
    slow=True,
)
def markers_in_ct() -> float:
    """Brighter than 170 HU: halfway from skin to marker."""
    return farthest_marker(xray.reconstruct(xray.scan(head(), "head", seed=1)), above=170.0)


@check(
    "The same eight in the T1 of the same head",
    against="known truth",
    unit="voxel",
    high=0.25,
    reason="slices of 3 mm know a ball of 10 mm to a tenth or two; half a voxel amiss must not pass",
    slow=True,
)
def markers_in_mr() -> float:
    """The demonstration's T1."""
    return farthest_marker(mr.reconstruct(mr.scan(head(), "t1_gre", seed=1)))


@check(
    "The same eight in the FDG PET of the same head",
    against="known truth",
    unit="voxel",
    high=0.25,
    reason="noise of some ten thousand counts a marker, and activity of skin and brain on one side of it",
    slow=True,
)
def markers_in_pet() -> float:
    """The demonstration's PET."""
    return farthest_marker(nuclear.reconstruct(nuclear.scan(head(), "brain_fdg", seed=1)))
