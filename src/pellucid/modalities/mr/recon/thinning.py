"""Reconstruct from fewer lines than were acquired: what a faster scan would have given."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np

from pellucid.modalities.mr.acquisition import KSpace
from pellucid.parameters import About

Undersampling = Annotated[
    int,
    About("Use one in so many of the acquired lines or spokes, beside the calibration lines", minimum=1, maximum=16),
]

_KEPT_CENTRE = 24


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
    assert raw.sampled is not None
    lines = raw.samples.shape[3]
    block = raw.calibration_block()[1]
    index = np.arange(lines)
    keep = index % undersampling == (lines // 2) % undersampling
    half = _KEPT_CENTRE // 2
    keep |= (index >= max(block.start, lines // 2 - half)) & (index < min(block.stop, lines // 2 + half))
    mask = raw.sampled & keep[None, :, None]
    return replace(raw, samples=raw.samples * mask, sampled=mask)
