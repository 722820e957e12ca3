"""What positivity brings where views are few."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.anatomy import phantoms
from pellucid.modalities import xray
from pellucid.modalities.xray import ScanGeometry, Sinogram
from validation import check
from validation.rays import exact_line_integrals
from validation.xray.scans import rms

Array = NDArray[Any]


@cache
def table() -> list[dict[str, float]]:
    """RMSE [1/cm] at every 2nd, 4th and 8th of 240 views with noise: TV with and without positivity, and FBP.

    `expected` is what positivity should leave of the RMSE without it.
    """
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
        left = expected(pictures["without"].array[0], truth)
        rows.append({"keep_every": keep_every, "expected": left, **errors})
    return rows


def expected(without: Array, truth: Array) -> float:
    """RMSE that positivity should leave of the image found without it.

    Where the truth is 0, errors are as often negative as positive: half of their squares go, and no others grow.
    """
    squares = np.square(without - truth)
    return float(np.sqrt(np.mean(np.where(truth == 0, squares / 2, squares))))


def _register(name: str, keep_every: int) -> None:
    def share_of_expected() -> float:
        row = next(item for item in table() if item["keep_every"] == keep_every)
        return row["with"] / row["expected"]

    share_of_expected.__name__ = f"positivity_at_{name}"
    check(
        f"Positivity at 1/{keep_every} of the views (TV, noise): RMSE over what it should leave of that without it",
        against="known truth",
        reason="where nothing is, errors are as often negative as positive: half of their squares goes, the rest stays",
        high=1.0,
        slow=True,
    )(share_of_expected)


for _name, _keep_every in (("a_half", 2), ("a_quarter", 4), ("an_eighth", 8)):
    _register(_name, _keep_every)
