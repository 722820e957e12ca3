"""Noise of an image against that from the number of photons."""

from __future__ import annotations

import numpy as np

from pellucid.anatomy import tissue, tissues
from pellucid.anatomy.phantoms import Cylinder, MaterialPhantom, Part
from pellucid.modalities import xray
from validation import check


@check(
    "Head protocol: standard deviation in a water cylinder against that from the number of photons, ratio",
    against="analytic truth",
    reason="first-order propagation through a filter and window, with interpolation noise-correlated to 10 %",
    low=0.9,
    high=1.1,
    slow=True,
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
