"""What positivity brings where views are few."""

from __future__ import annotations

from functools import cache

import numpy as np

from pellucid.anatomy import phantoms
from pellucid.modalities import xray
from pellucid.modalities.xray import ScanGeometry, Sinogram
from validation import check
from validation.rays import exact_line_integrals
from validation.xray.scans import rms


@cache
def table() -> list[dict[str, float]]:
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


@check(
    "Positivity at 1/8 of the views (TV, noise): RMSE with it over RMSE without",
    against="known truth",
    reason="air around the head is known to be 0: at few views positivity must help clearly",
    high=0.9,
    slow=True,
)
def positivity_at_an_eighth() -> float:
    """30 of 240 views."""
    return table()[2]["with"] / table()[2]["without"]


@check(
    "Positivity at 1/2 of the views: RMSE with it over RMSE without",
    against="known truth",
    reason="it may not harm where views suffice",
    high=1.02,
    slow=True,
)
def positivity_at_a_half() -> float:
    """120 of 240 views."""
    return table()[0]["with"] / table()[0]["without"]
