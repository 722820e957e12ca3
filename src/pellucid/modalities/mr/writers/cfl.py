"""BART's .cfl and .hdr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError
from pellucid.modalities.mr.acquisition import KSpace


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write `array` (BART's dimensions, up to 16) as `path` with the suffixes .cfl and .hdr."""
    dimensions = [*array.shape, *[1] * (16 - array.ndim)]
    array.astype(np.complex64).ravel(order="F").tofile(path.with_suffix(".cfl"))
    path.with_suffix(".hdr").write_text("# Dimensions\n" + " ".join(str(n) for n in dimensions) + "\n")


def write_cfl(raw: KSpace, path: Path) -> None:
    """Write Cartesian k-space as readout, line, partition, coil, slices in dimension 13.

    The format has no geometry and no header: only samples are kept. Non-Cartesian k-space is written as BART expects
    it (1, readout, line, coil) with the trajectory in cycles per field of view beside it, as `<name>_traj`.
    """
    if raw.samples.ndim != 5:
        raise InvalidInputError(f"has {raw.samples.ndim} axes; expected 5", field="samples")
    samples = raw.samples.transpose(4, 3, 2, 1, 0)
    if raw.trajectory is None:
        write_array(path, samples.reshape(*samples.shape[:4], *[1] * 9, samples.shape[4]))
        return
    readouts, lines, _, coils, slices = samples.shape
    write_array(path, samples[:, :, 0].reshape(1, readouts, lines, coils, *[1] * 9, slices))
    fov_m = np.array(raw.encoded_fov_mm) * 1e-3
    cycles = (raw.trajectory * fov_m)[..., ::-1]
    write_array(path.with_name(path.stem + "_traj"), cycles.transpose(2, 1, 0))
