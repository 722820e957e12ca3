"""What non-Cartesian reconstructions share: coordinates, density compensation, gridding of one slice."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pellucid.modalities.mr.acquisition import KSpace
from pellucid.modalities.mr.recon.cartesian import whitened, whitening_matrix
from pellucid.modalities.mr.recon.density import is_radial, pipe_menon, ramp
from pellucid.operators import NonUniformFourier

Complex = NDArray[np.complex64]
Density = Literal["automatic", "ramp", "pipe_menon"]


class Gridding:
    """Density-compensated adjoint of a 2D trajectory on the image grid.

    `coordinates`: `[line, readout, 2]` in cycles per pixel along (row, column); samples beyond the image's band are
    given weight 0.
    """

    def __init__(self, raw: KSpace, *, density: Density = "automatic", tolerance: float = 1e-6) -> None:
        assert raw.trajectory is not None
        self.raw = raw
        rows, columns = raw.image_shape[1:]
        voxel_m = np.array(raw.voxel_mm[1:]) * 1e-3
        self.coordinates = raw.trajectory[..., 1:].astype(np.float64) * voxel_m
        inside = np.all(np.abs(self.coordinates) <= 0.5, axis=-1)
        straight = is_radial(self.coordinates)
        if density == "ramp" or (density == "automatic" and straight):
            weights = ramp(self.coordinates, (rows, columns))
        else:
            weights = pipe_menon(self.coordinates, (rows, columns))
        self.weights = (weights * inside).astype(np.float32)
        self.transform = NonUniformFourier((rows, columns), self.coordinates, batch=(raw.coils,), tolerance=tolerance)
        self._matrix = whitening_matrix(raw)

    def samples(self, index: int) -> Complex:
        """White samples of one slice `[coil, line, readout]`."""
        return whitened(self.raw.samples[index, :, 0], self._matrix)

    def coil_images(self, index: int) -> Complex:
        """Coil images `[coil, row, column]` of one slice."""
        return self.transform.adjoint(self.samples(index) * self.weights)
