"""Reconstruct from fewer lines than were acquired: what a faster scan would have given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from pellucid.modalities.mr.acquisition import KSpace
from pellucid.parameters import About

_KEPT_CENTRE = 24
_MOST = 16


def _why_not_thinned(raw: KSpace, values: Mapping[str, Any]) -> str:
    if raw.trajectory is not None:
        return "" if len(raw.trajectory) > 1 else "this signal has one line; expected 1, the default"
    acquired = thinned_mask(raw, 1)
    useful = [n for n in range(2, _MOST + 1) if not np.array_equal(thinned_mask(raw, n), acquired)]
    if values["undersampling"] in useful:
        return ""
    return f"all of this signal's lines are used with it too; expected {' or '.join(map(str, [1, *useful]))}"


Undersampling = Annotated[
    int,
    About(
        "Use one in so many of the acquired lines or spokes, beside the calibration lines",
        minimum=1,
        maximum=_MOST,
        refuses=_why_not_thinned,
    ),
]


def thinned(raw: KSpace, undersampling: int) -> KSpace:
    """`raw` with one in `undersampling` of its lines, and up to 24 lines in the centre of a grid.

    Of a trajectory the first lines are kept: with golden-angle spokes these are spread evenly.
    """
    if undersampling == 1:
        return raw
    if raw.trajectory is not None:
        kept = max(1, len(raw.trajectory) // undersampling)
        return replace(
            raw, samples=np.ascontiguousarray(raw.samples[..., :kept, :]), trajectory=raw.trajectory[:kept].copy()
        )
    mask = thinned_mask(raw, undersampling)
    return replace(raw, samples=raw.samples * mask, sampled=mask)


def thinned_mask(raw: KSpace, undersampling: int) -> NDArray[np.bool_]:
    """The samples of a grid that are used."""
    assert raw.sampled is not None
    if undersampling == 1:
        return raw.sampled
    lines = raw.samples.shape[3]
    block = raw.calibration_block()[1]
    index = np.arange(lines)
    keep = index % undersampling == (lines // 2) % undersampling
    half = _KEPT_CENTRE // 2
    keep |= (index >= max(block.start, lines // 2 - half)) & (index < min(block.stop, lines // 2 + half))
    mask: NDArray[np.bool_] = raw.sampled & keep[None, :, None]
    return mask
