"""TomoPy's tooth: the axis of rotation found from the data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import pellucid
from pellucid.modalities import xray
from pellucid.modalities.xray import Sinogram
from validation import check, data


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
    slow=True,
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
