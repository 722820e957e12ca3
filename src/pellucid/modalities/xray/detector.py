"""An energy-integrating detector: quantum noise, read-out noise, uneven gain, dark signal, whole counts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid.kernels import thread_count
from pellucid.modalities.xray.geometry import ScanGeometry
from pellucid.modalities.xray.protocols import Settings

FULL_SCALE = 60000.0
"""Mean counts of an unattenuated ray above the dark signal."""
_DARK_COUNTS = 200.0
_GAIN_SPREAD = 0.02
_CALIBRATION_FRAMES = 256
_PARTS = 8


def ideal_counts(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Expected counts of a detector without faults."""
    return signal * np.float32(FULL_SCALE)


@dataclass(frozen=True, eq=False)
class Detector:
    """A detector as its manufacturer and the day have made it.

    `photons`: per ray and view, unattenuated; `gain`: counts of an unattenuated ray, `[row, column]`; `electronic`:
    standard deviation of the read-out [counts]; `flat_field`, `dark_field`: the calibration frames' mean.
    """

    photons: float
    gain: NDArray[np.float32]
    electronic: float
    flat_field: NDArray[np.float32]
    dark_field: NDArray[np.float32] | None
    seed: int

    @classmethod
    def draw(cls, settings: Settings, geometry: ScanGeometry, photons: float, seed: int) -> Detector:
        """Gain of every element, and flat and dark fields averaged over 256 frames of one view's exposure."""
        shape = geometry.shape[1:]
        if not settings.noise:
            flat = np.full((1, *shape), FULL_SCALE, np.float32)
            return cls(photons, flat[0], 0.0, flat, None, seed)
        random = np.random.default_rng([seed, 0])
        gain = FULL_SCALE * (1 + _GAIN_SPREAD * random.uniform(-1, 1, shape))
        electronic = settings.electronic_noise
        spread = np.sqrt(gain**2 / photons + electronic**2) / np.sqrt(_CALIBRATION_FRAMES)
        flat = _DARK_COUNTS + gain + spread * random.standard_normal(shape)
        dark = _DARK_COUNTS + electronic / np.sqrt(_CALIBRATION_FRAMES) * random.standard_normal(shape)
        return cls(
            photons,
            gain.astype(np.float32),
            electronic,
            flat[None].astype(np.float32),
            dark[None].astype(np.float32),
            seed,
        )

    def counts(self, signal: NDArray[np.float32], variance: NDArray[np.float32], rows: slice) -> NDArray[np.uint16]:
        """Whole counts `[view, row, column]` of some detector rows.

        `signal`: relative to unattenuated; `variance`: of the signal of one photon. The compound Poisson noise of
        the detected energy is drawn as a Poisson number of the same relative variance, signal² / variance.
        """
        result = np.empty(signal.shape, np.uint16)
        parts = np.array_split(np.arange(len(signal)), min(_PARTS, len(signal)))
        seeds = np.random.SeedSequence([self.seed, 1, rows.start]).spawn(len(parts))

        def fill(views: NDArray[np.intp], source: np.random.SeedSequence) -> None:
            some = slice(views[0], views[-1] + 1)
            result[some] = self._read_out(signal[some], variance[some], rows, np.random.default_rng(source))

        with ThreadPoolExecutor(thread_count()) as pool:
            list(pool.map(fill, parts, seeds))
        return result

    def _read_out(
        self,
        signal: NDArray[np.float32],
        variance: NDArray[np.float32],
        rows: slice,
        random: np.random.Generator,
    ) -> NDArray[np.float32]:
        # Equivalent photons: as many of one energy would have the same relative noise.
        equivalent = self.photons * signal.astype(np.float64) ** 2 / np.maximum(variance, 1e-30)
        drawn = random.poisson(equivalent)
        value = (signal * (drawn / np.maximum(equivalent, 1e-30))).astype(np.float32) * self.gain[rows]
        value += np.float32(_DARK_COUNTS)
        value += np.float32(self.electronic) * random.standard_normal(value.shape, dtype=np.float32)
        np.rint(value, out=value)
        return np.clip(value, 0, 65535, out=value)
