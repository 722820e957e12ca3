"""X-ray CT against exact line integrals, theory, real data and known truth."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

import pellucid
from pellucid.anatomy import phantoms, tissue, tissues
from pellucid.anatomy.phantoms import AnalyticPhantom, Cylinder, MaterialPhantom, Part, Shape
from pellucid.anatomy.phantoms.ct import INSERTS, MODULE_LENGTH_MM, insert_centre_mm
from pellucid.image import Image
from pellucid.modalities import xray
from pellucid.modalities.xray import Grid, ScanGeometry, Sinogram, monoenergetic, tube_output
from pellucid.modalities.xray.recon.fbp import filtered_back_projection
from pellucid.modalities.xray.recon.fdk import feldkamp
from validation import check, data
from validation.rays import exact_line_integrals

Array = NDArray[np.float64]
SIZE = 512
HEAD = phantoms.shepp_logan(size_mm=float(SIZE))
PARALLEL = ScanGeometry(
    beam="parallel", angles_deg=np.arange(720) * 0.25, columns=SIZE, column_spacing_mm=1.0, row_positions_mm=np.zeros(1)
)
FAN = ScanGeometry(
    beam="fan",
    angles_deg=np.arange(1440) * 0.25,
    columns=920,
    column_spacing_mm=1.1,
    row_positions_mm=np.zeros(1),
    source_isocentre_mm=600.0,
    source_detector_mm=1000.0,
)
CURVED = replace(FAN, detector="curved", column_spacing_mm=1.0)
SHORT = replace(CURVED, angles_deg=np.arange(970) * 0.25 - 40.0)
GRID = Grid(shape=(1, SIZE, SIZE), spacing_mm=(1.0, 1.0, 1.0))


def disc(radius: float) -> NDArray[np.bool_]:
    """Pixels within a radius about the middle."""
    return np.hypot(GRID.x_mm, GRID.y_mm[:, None]) < radius


def inside_skull() -> NDArray[np.bool_]:
    """Pixels inside the modified Shepp-Logan phantom's skull, a tenth away from it."""
    half = SIZE / 2
    x, y = GRID.x_mm / half, GRID.y_mm[:, None] / half
    return (x / 0.6624) ** 2 + ((y - 0.0184) / 0.874) ** 2 <= 0.9


@cache
def head_truth() -> NDArray[np.float32]:
    """Mean of the phantom over each pixel."""
    return HEAD.pixels(SIZE, 1.0, oversampling=8)


@cache
def head_picture(name: str) -> NDArray[np.float32]:
    """Filtered back-projection (Ram-Lak) of exact line integrals in one geometry."""
    scan = {"parallel": PARALLEL, "fan flat": FAN, "fan curved": CURVED, "fan curved, short": SHORT}[name]
    return filtered_back_projection(exact_line_integrals(HEAD, scan), scan, GRID)[0]


def rms(values: NDArray[np.floating]) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


@check(
    "Modified Shepp-Logan 512², 720 parallel views, Ram-Lak: RMSE in the disc r < 255",
    against="analytic truth",
    reason="ASTRA's CPU projectors reach 0.0152 to 0.0169 on the same data",
    high=0.0153,
)
def fbp_disc() -> float:
    """Whole disc, where the skull's edge dominates."""
    return rms((head_picture("parallel") - head_truth())[disc(255)])


@check(
    "The same, inside the skull",
    against="analytic truth",
    reason="ASTRA reaches 0.0031 to 0.0035 on the same data",
    high=0.0031,
)
def fbp_inside_skull() -> float:
    """Inside, where structure dominates."""
    return rms((head_picture("parallel") - head_truth())[inside_skull()])


@check(
    "Shepp-Logan from a flat fan, 1440 views: RMSE inside the skull",
    against="analytic truth",
    reason="the parallel beam's limit: the fan's rays are as fine",
    high=0.0031,
)
def fbp_fan_flat() -> float:
    """Flat detector."""
    return rms((head_picture("fan flat") - head_truth())[inside_skull()])


@check(
    "Shepp-Logan from a curved fan: RMSE inside the skull",
    against="analytic truth",
    reason="the parallel beam's limit: the fan's rays are as fine",
    high=0.0031,
)
def fbp_fan_curved() -> float:
    """Equiangular detector."""
    return rms((head_picture("fan curved") - head_truth())[inside_skull()])


@check(
    "Shepp-Logan from a short scan of a curved fan (Parker): RMSE inside the skull",
    against="analytic truth",
    reason="the parallel beam's limit and a tenth: fewer rays are measured twice",
    high=0.0034,
)
def fbp_short_scan() -> float:
    """242 degrees."""
    return rms((head_picture("fan curved, short") - head_truth())[inside_skull()])


@check(
    "Curved fan against flat fan: RMS difference inside the skull",
    against="analytic truth",
    reason="two samplings of the same object, each within 0.0022 of it and independent of the other",
    high=0.0031,
)
def curved_is_flat() -> float:
    """Same object, same source."""
    return rms((head_picture("fan curved") - head_picture("fan flat"))[inside_skull()])


@check(
    "Forward projection of Shepp-Logan 512², 720 views: relative RMS error of the sinogram",
    against="analytic truth",
    reason="ASTRA's linear projector has 0.0074 on pixels sampled at their centres",
    high=0.0074,
)
def forward_projection() -> float:
    """Joseph's method on pixel means."""
    exact = exact_line_integrals(HEAD, PARALLEL)
    found = xray.ParallelRayTransform(PARALLEL, GRID)(head_truth()[None])
    return rms(found - exact) / rms(exact)


def sphere_set_up() -> tuple[ScanGeometry, AnalyticPhantom, Grid]:
    """A ball of 90 mm radius, 180 views of 128 x 128 elements of 3 mm, 1000 and 1500 mm, 128³ voxels of 2 mm."""
    positions = (np.arange(128) - 63.5) * 3.0
    scan = ScanGeometry(
        beam="cone",
        angles_deg=np.arange(180) * 2.0,
        columns=128,
        column_spacing_mm=3.0,
        row_positions_mm=positions,
        source_isocentre_mm=1000.0,
        source_detector_mm=1500.0,
    )
    ball = phantoms.spheres([(0.0, 0.0, 0.0)], [90.0], [0.02])
    return scan, ball, Grid(shape=(128, 128, 128), spacing_mm=(2.0, 2.0, 2.0))


@check(
    "Feldkamp, ball of 0.02/mm, 128³ from 180 views: RMSE in the mid-plane inside r < 80 mm",
    against="analytic truth",
    reason="RTK has 0.0010 in the mid-plane",
    high=0.0010,
)
def fdk_mid_plane() -> float:
    """The two slices next to the orbit's plane."""
    scan, ball, grid = sphere_set_up()
    thin = replace(grid, shape=(2, 128, 128))
    volume = feldkamp(exact_line_integrals(ball, scan), scan, thin)
    inside = np.hypot(grid.x_mm, grid.y_mm[:, None]) < 80
    return rms((volume - 0.02)[:, inside])


@check(
    "Feldkamp: value of the same ball, relative error",
    against="analytic truth",
    reason="LEAP and the published value are 0.01999 of 0.02",
    high=5e-4,
)
def fdk_value() -> float:
    """Middle 50 x 50 x 16 voxels."""
    scan, ball, grid = sphere_set_up()
    thin = replace(grid, shape=(16, 50, 50))
    volume = feldkamp(exact_line_integrals(ball, scan), scan, thin)
    return abs(float(volume.mean()) / 0.02 - 1)


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
)
def inserts_polychromatic() -> float:
    """Whole spectrum, beam hardening corrected."""
    values, _ = insert_values("120 kV")
    return max(max(low - values[name], values[name] - high) for name, (low, high) in CATPHAN_RANGES.items())


@check(
    "Head protocol: standard deviation in a water cylinder against that from the number of photons, ratio",
    against="analytic truth",
    reason="first-order propagation through a filter and window, with interpolation noise-correlated to 10 %",
    low=0.9,
    high=1.1,
)
def noise_level() -> float:
    """Noise in the middle of a cylinder, Ram-Lak, from var = Σ (π/views)² Σ h² var(p)."""
    cylinder = MaterialPhantom(
        name="water",
        parts=(Part(Cylinder(centre_mm=[0, 0, 0], semi_axes_mm=80.0, length_mm=8.0), "water", "air"),),
        tissues=tissues("air", "water"),
    )
    changes = {"beam": "parallel", "detector": "flat", "views": 360, "range_deg": 180.0, "columns": 256}
    energy = {"source": "monoenergetic", "photons_per_ray": 2e5, "detector_efficiency": 1.0, "electronic_noise": 0.0}
    raw = xray.scan(cylinder.anatomy(1.0), "head", seed=5, coverage_mm=8.0, **changes, **energy)
    image = xray.reconstruct(raw, "fbp", filter="ram_lak", matrix=512, field_of_view_mm=128.0)
    middle = image.array[:, 226:286, 226:286]
    water = tissue("water").attenuation_coefficient([70.0])[0]
    variance_of_p = np.exp(16.0 * water) / 2e5
    # Ram-Lak's kernel at spacing 1: Σ h² = 1/12. Linear interpolation at a random place averages two neighbours:
    # (1 − w)² + w² is 2/3 in the mean, and 2w(1 − w) = 1/3 of their covariance Σ h(n) h(n + 1).
    kernel = np.array([0.25 if n == 0 else (-1 / (np.pi * n) ** 2 if n % 2 else 0.0) for n in range(-4001, 4002)])
    interpolated = 2 / 3 * np.sum(kernel**2) + 1 / 3 * np.sum(kernel[1:] * kernel[:-1])
    expected = np.sqrt((np.pi**2 / 360) * interpolated * variance_of_p)  # per mm
    return float(middle.std()) / (1000 * 10 * expected / water)


def positivity_table() -> list[dict[str, float]]:
    """RMSE of TV with and without positivity (and of FBP) at every 2nd, 4th and 8th of 240 views, noise included."""
    size = 128
    head = phantoms.shepp_logan(size_mm=100.0)
    truth = head.pixels(size, 100 / size, oversampling=8)
    scan = ScanGeometry(
        beam="parallel",
        angles_deg=np.arange(240) * 0.75,
        columns=160,
        column_spacing_mm=100 / size,
        row_positions_mm=np.zeros(1),
    )
    exact = exact_line_integrals(head, scan) / 10
    counts = np.random.default_rng(7).poisson(1e5 * np.exp(-exact))
    raw = Sinogram(data=counts.astype(np.float32), geometry=scan, signal="counts", unattenuated_counts=1e5)
    rows = []
    for keep_every in (2, 4, 8):
        options = {"matrix": size, "field_of_view_mm": 100.0, "keep_every": keep_every}
        solver = {**options, "iterations": 150, "regularisation": 1e-3}
        pictures = {
            "with": xray.reconstruct(raw, "tv", **solver),
            "without": xray.reconstruct(raw, "tv", non_negative=False, **solver),
            "fbp": xray.reconstruct(raw, "fbp", **options),
        }
        errors = {name: rms(image.array[0] - truth) for name, image in pictures.items()}
        rows.append({"keep_every": keep_every, **errors})
    return rows


@cache
def _positivity() -> list[dict[str, float]]:
    return positivity_table()


@check(
    "Positivity at 1/8 of the views (TV, noise): RMSE with it over RMSE without",
    against="known truth",
    reason="air around the head is known to be 0: at few views positivity must help clearly",
    high=0.9,
)
def positivity_at_an_eighth() -> float:
    """30 of 240 views."""
    return _positivity()[2]["with"] / _positivity()[2]["without"]


@check(
    "Positivity at 1/2 of the views: RMSE with it over RMSE without",
    against="known truth",
    reason="it may not harm where views suffice",
    high=1.02,
)
def positivity_at_a_half() -> float:
    """120 of 240 views."""
    return _positivity()[0]["with"] / _positivity()[0]["without"]


@check(
    "TomoPy's tooth: axis of rotation found, distance from column 295.5",
    against="real data",
    reason="TomoPy's documentation says about 296, the data's provider 295.5",
    unit="pixel",
    high=0.5,
)
def tooth_axis() -> float:
    """From the data alone."""
    raw = pellucid.read(data("xray/tooth_tomopy/tooth.h5"))
    assert isinstance(raw, Sinogram)
    return abs(raw.geometry.centre_of_rotation_px - 295.5)


@check(
    "TomoPy's tooth: mean square of the picture at the found axis over the largest within 4 pixels",
    against="real data",
    reason="a wrong axis doubles every edge; the found one is as sharp as any",
    low=0.985,
)
def tooth_sharpness() -> float:
    """The picture judges the axis by its mean square."""
    raw = pellucid.read(data("xray/tooth_tomopy/tooth.h5"))
    assert isinstance(raw, Sinogram)

    def power(shift: float) -> float:
        moved = replace(raw.geometry, column_offset_mm=raw.geometry.column_offset_mm + shift)
        picture = xray.reconstruct(replace(raw, geometry=moved), "fbp", field_of_view_mm=400.0).array[0]
        return float(np.mean(picture**2))

    return power(0.0) / max(power(shift) for shift in np.arange(-4, 4.1, 0.5))
