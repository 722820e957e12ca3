"""Pictures of raw signals for the viewer."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_LARGEST = 1024


def signal_png(array: NDArray[Any]) -> bytes:
    """A 2D array as an 8-bit grey PNG between its 0.5 and 99.5 percentiles; long sides shrink to 1024 pixels."""
    values = np.asarray(array, np.float32)
    steps = [max(1, -(-length // _LARGEST)) for length in values.shape]
    values = _block_mean(values, steps[0], steps[1])
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 1.0)
    scaled = (np.nan_to_num(values, nan=low, posinf=high, neginf=low) - low) / max(high - low, 1e-30)
    target = io.BytesIO()
    Image.fromarray((np.clip(scaled, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)).save(target, "PNG")
    return target.getvalue()


def _block_mean(values: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """Means of blocks of `rows` x `columns`, so that thin structures stay visible; the last block may be smaller."""
    for axis, step in ((0, rows), (1, columns)):
        if step > 1:
            starts = np.arange(0, values.shape[axis], step)
            counts = np.diff(np.append(starts, values.shape[axis]))
            shape = (-1, 1) if axis == 0 else (1, -1)
            values = (np.add.reduceat(values, starts, axis=axis) / counts.reshape(shape)).astype(np.float32)
    return values
