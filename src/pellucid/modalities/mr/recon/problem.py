"""An acquisition as a list of independent two-dimensional inverse problems, with their coil sensitivities.

| acquisition | plane | Fourier encoded |
|---|---|---|
| 2D, whole readouts | slice: (line, column), readouts transformed | line |
| 2D, samples chosen along the readout too | slice: (line, readout) | both |
| 3D | column: (partition, line), readouts transformed | both |
| non-Cartesian | slice: (row, column) | along the trajectory |
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError
from pellucid.image import Image
from pellucid.modalities.mr.acquisition import KSpace
from pellucid.modalities.mr.forward import NonCartesianEncoding, NonCartesianNormal, SenseEncoding, SenseNormal
from pellucid.modalities.mr.recon.cartesian import (
    on_image_grid,
    readout_transformed,
    resized,
    to_image_space,
    to_k_space,
    whitened,
    whitening_matrix,
)
from pellucid.modalities.mr.recon.combine import root_sum_of_squares
from pellucid.modalities.mr.recon.espirit import espirit, main_component
from pellucid.modalities.mr.recon.noncartesian import Gridding
from pellucid.modalities.mr.recon.normalise import Normalisation
from pellucid.modalities.mr.recon.output import to_image
from pellucid.progress import Progress, part

Complex = NDArray[np.complex64]

_SMALLEST_BLOCK = 8
"""Fewer fully sampled lines than this in the centre do not determine the sensitivities."""


@dataclass(frozen=True)
class Calibration:
    """How sensitivities are found: lines used at most, patch width, sets of maps, lowest eigenvalue with signal."""

    lines: int = 24
    kernel: int = 6
    maps: int = 1
    lowest_eigenvalue: float = 0.8


@dataclass(frozen=True)
class CartesianProblem:
    """Find x with A x = y: `normal(damping)` is AᴴA + damping, `right_side` Aᴴy; ‖A‖ ≤ 1."""

    encoding: SenseEncoding
    right_side: Complex
    lipschitz: float = 1.0

    def normal(self, damping: float = 0.0) -> SenseNormal:
        """AᴴA + damping."""
        return SenseNormal(self.encoding, damping)


@dataclass(frozen=True)
class NonCartesianProblem:
    """The same with the density compensation W: AᴴWA + damping and AᴴWy."""

    undamped: NonCartesianNormal
    right_side: Complex
    lipschitz: float

    def normal(self, damping: float = 0.0) -> NonCartesianNormal:
        """AᴴWA + damping."""
        return self.undamped.damped(damping)


Problem = CartesianProblem | NonCartesianProblem
Solve = Callable[[Problem, Progress], Complex]


def refuses(raw: KSpace) -> str:
    """Why sensitivities cannot be found, or ""."""
    if raw.coils < 2:
        return "it has one coil; there are no sensitivities to use"
    if not raw.is_cartesian:
        return "its trajectory has three dimensions" if raw.is_3d else ""
    block = raw.calibration_block()
    needed = [b for b, n in zip(block[:2], raw.samples.shape[2:4], strict=True) if n > 1]
    widths = [b.stop - b.start for b in needed]
    if min(widths, default=0) < _SMALLEST_BLOCK:
        return f"only {min(widths, default=0)} fully sampled lines in its centre, {_SMALLEST_BLOCK} are needed"
    return ""


class Planes(ABC):
    """The planes of an acquisition; `scale` is the signal's size by which regularisation is measured."""

    def __init__(self, raw: KSpace, calibration: Calibration, normalisation: Normalisation) -> None:
        self.raw, self.calibration, self.normalisation = raw, calibration, normalisation
        self.whitening = whitening_matrix(raw)

    count: int
    scale: float

    @property
    def preview(self) -> Callable[[Complex], Image] | None:
        """How to show an unfinished solution: only where there is one plane."""
        return (lambda solution: self.image([solution])) if self.count == 1 else None

    @abstractmethod
    def problems(self) -> Iterator[Problem]:
        """One problem per plane."""

    @abstractmethod
    def image(self, solutions: list[Complex]) -> Image:
        """The image of the solutions `[map, row, column]` of the first planes; the rest is zero."""


def planes_of(raw: KSpace, calibration: Calibration, normalisation: Normalisation) -> Planes:
    """The planes of `raw`."""
    if not raw.is_cartesian:
        return _Slices(raw, calibration, normalisation, _NonCartesianMaker(raw, calibration))
    if raw.is_3d:
        return _Columns(raw, calibration, normalisation)
    return _Slices(raw, calibration, normalisation, _CartesianMaker(raw, calibration))


def solve_planes(
    raw: KSpace,
    calibration: Calibration,
    normalisation: Normalisation,
    make: Callable[[Planes], Solve],
    progress: Progress,
) -> Image:
    """Solve every plane and make the image; raises `InvalidInputError` where coils cannot be calibrated anywhere."""
    progress(0.0, "calibrating coils")
    planes = planes_of(raw, calibration, normalisation)
    solve = make(planes)
    solutions: list[Complex] = []
    for index, problem in enumerate(planes.problems()):
        step = part(progress, index / planes.count, (index + 1) / planes.count)
        solutions.append(solve(problem, step))
    if not any(solution.any() for solution in solutions):
        raise InvalidInputError(
            f"no sensitivity of the coils is found from {calibration.lines} lines with a kernel of "
            f"{calibration.kernel} x {calibration.kernel}; expected more calibration_lines, or a smaller kernel",
            field="calibration_lines",
        )
    return planes.image(solutions)


class _CartesianMaker:
    """Slices of a 2D Cartesian acquisition."""

    def __init__(self, raw: KSpace, calibration: Calibration) -> None:
        assert raw.sampled is not None
        self.raw, self.calibration, self.matrix = raw, calibration, whitening_matrix(raw)
        self.whole_readouts = raw.sampled.shape[2] == 1
        self.mask, self.axes = raw.sampled[0], (0,) if self.whole_readouts else (0, 1)
        self.block = raw.calibration_block()

    def samples(self, index: int) -> Complex:
        """k-space of one plane `[coil, line, column or readout]`."""
        if self.whole_readouts:
            return readout_transformed(self.raw, index, self.matrix)[:, 0]
        return whitened(self.raw.samples[index, :, 0], self.matrix)

    def zero_filled(self, index: int) -> Complex:
        """Coil images of one plane, missing samples zero."""
        return to_image_space(self.samples(index), tuple(1 + axis for axis in self.axes))

    def problem(self, index: int) -> CartesianProblem:
        """The problem of one slice."""
        samples = self.samples(index)
        lines = _narrowed(self.block[1], samples.shape[1], self.calibration.lines)
        if self.whole_readouts:
            centre = to_k_space(samples[:, lines], (2,))
            readouts = _narrowed(slice(0, samples.shape[2]), samples.shape[2], self.calibration.lines)
        else:
            centre = samples[:, lines]
            readouts = _narrowed(self.block[2], samples.shape[2], self.calibration.lines)
        maps = sensitivities(centre[:, :, readouts], samples.shape[1:], self.calibration)
        return cartesian_problem(maps, self.mask, self.axes, samples)


class _NonCartesianMaker:
    """Slices of a non-Cartesian acquisition."""

    def __init__(self, raw: KSpace, calibration: Calibration) -> None:
        self.raw, self.calibration = raw, calibration
        self.gridding = Gridding(raw)
        self._lipschitz: float | None = None

    def zero_filled(self, index: int) -> Complex:
        """Coil images by density-compensated gridding."""
        return self.gridding.coil_images(index)

    def problem(self, index: int) -> NonCartesianProblem:
        """The problem of one slice; sensitivities from the centre of the gridded k-space."""
        images = self.zero_filled(index)
        shape = images.shape[1:]
        centre = to_k_space(images, (1, 2))
        block = [_narrowed(slice(0, n), n, self.calibration.lines) for n in shape]
        maps = sensitivities(centre[:, block[0], block[1]], shape, self.calibration)
        encoding = NonCartesianEncoding(maps, self.gridding.coordinates)
        normal = encoding.normal(self.gridding.weights)
        right = encoding.coils.adjoint(images)
        if self._lipschitz is None and maps.any():
            self._lipschitz = 1.05 * normal.norm(iterations=12)
        # Without sensitivities the plane is zero, whatever the step.
        return NonCartesianProblem(normal, right, self._lipschitz or 1.0)


class _Slices(Planes):
    """Plane = slice."""

    def __init__(
        self,
        raw: KSpace,
        calibration: Calibration,
        normalisation: Normalisation,
        maker: _CartesianMaker | _NonCartesianMaker,
    ) -> None:
        super().__init__(raw, calibration, normalisation)
        self.maker, self.count = maker, raw.samples.shape[0]
        shown = range(0, self.count, max(1, self.count // 8))
        self.scale = signal_size(np.stack([root_sum_of_squares(maker.zero_filled(index)) for index in shown]))

    def problems(self) -> Iterator[Problem]:
        for index in range(self.count):
            yield self.maker.problem(index)

    def image(self, solutions: list[Complex]) -> Image:
        rows = [magnitude(on_rows(self.raw, solution)) for solution in solutions]
        rows += [np.zeros_like(rows[0])] * (self.count - len(rows))
        return self.normalisation(to_image(self.raw, np.stack(rows)))


class _Columns(Planes):
    """Plane = column of a 3D acquisition."""

    def __init__(self, raw: KSpace, calibration: Calibration, normalisation: Normalisation) -> None:
        super().__init__(raw, calibration, normalisation)
        assert raw.sampled is not None
        self.mask = raw.sampled[:, :, 0]
        hybrid = readout_transformed(raw, 0, self.whitening)
        self.samples = np.ascontiguousarray(np.moveaxis(hybrid, -1, 0))
        self.count = len(self.samples)
        shown = self.samples[:: max(1, self.count // 16)]
        zero_filled = to_image_space(shown, (2, 3))
        self.scale = signal_size(root_sum_of_squares(np.moveaxis(zero_filled, 1, 0)))
        self._places, self._maps = self._calibrated()

    def _calibrated(self) -> tuple[NDArray[np.float64], Complex]:
        """Maps at a few columns, from k-space's centre along the readout too: they change slowly."""
        block = self.raw.calibration_block()
        first, second = (
            _narrowed(b, n, self.calibration.lines) for b, n in zip(block[:2], self.mask.shape, strict=True)
        )
        centre = np.moveaxis(self.samples[:, :, first, second], 0, -1)
        width = min(self.calibration.lines, self.count)
        count = min(self.count, 2 * width)
        low = resized(to_k_space(centre, (3,)), 3, width)
        planes = to_image_space(resized(low, 3, count), (3,))
        reference = main_component(low)
        found = [
            sensitivities(np.ascontiguousarray(planes[..., n]), self.mask.shape, self.calibration, reference)
            for n in range(count)
        ]
        places = (np.arange(count) - count // 2) * np.float64(self.count / count) + self.count // 2
        return places, np.stack(found)

    def maps(self, column: int) -> Complex:
        """Sensitivities at a column: between two neighbouring sets, linearly."""
        place = float(np.clip(column, self._places[0], self._places[-1]))
        left = min(int(np.searchsorted(self._places, place, side="right")) - 1, len(self._places) - 2)
        share = np.float32((place - self._places[left]) / (self._places[left + 1] - self._places[left]))
        mixed: Complex = (1 - share) * self._maps[left] + share * self._maps[left + 1]
        return mixed

    def problems(self) -> Iterator[Problem]:
        for column in range(self.count):
            maps = self.maps(column) if len(self._places) > 1 else self._maps[0]
            yield cartesian_problem(maps, self.mask, (0, 1), self.samples[column])

    def image(self, solutions: list[Complex]) -> Image:
        volume = np.zeros((*solutions[0].shape, self.count), np.complex64)
        for column, solution in enumerate(solutions):
            volume[..., column] = solution
        return self.normalisation(to_image(self.raw, magnitude(on_image_grid(self.raw, volume))))


def cartesian_problem(
    maps: Complex, mask: NDArray[np.bool_], axes: tuple[int, ...], samples: Complex
) -> CartesianProblem:
    """The problem of a plane of samples `[coil, row, column]`."""
    encoding = SenseEncoding(maps, mask, axes)
    return CartesianProblem(encoding, encoding.adjoint(samples))


def sensitivities(
    centre: Complex, shape: tuple[int, ...], calibration: Calibration, reference: Complex | None = None
) -> Complex:
    """ESPIRiT maps `[map, coil, row, column]`, faded out where the eigenvalue says that there is no signal."""
    rows, columns = shape
    maps, values = espirit(
        centre, (rows, columns), maps=calibration.maps, kernel=calibration.kernel, reference=reference
    )
    low = calibration.lowest_eigenvalue
    share = np.clip((values - low) / (0.75 * (1 - low)), 0, 1)
    # Weights enter twice into AᴴA: their root keeps the fade smooth there.
    fade: NDArray[np.float32] = np.sqrt(share**2 * (3 - 2 * share)).astype(np.float32)
    result: Complex = maps * fade[:, None]
    return result


def magnitude(images: Complex) -> NDArray[np.float32]:
    """√ Σ_m |x_m|² over the sets of maps (first axis)."""
    return root_sum_of_squares(images)


def on_rows(raw: KSpace, solution: Complex) -> Complex:
    """A slice's solution `[map, line, column]` on the image's rows and columns."""
    if not raw.is_cartesian:
        return solution
    rows: Complex = on_image_grid(raw, solution[:, None])[:, 0]
    return resized(rows, 2, raw.image_shape[2])


def _narrowed(block: slice, length: int, most: int) -> slice:
    """At most `most` indices of `block` around length // 2."""
    half = most // 2
    centre = length // 2
    return slice(max(block.start, centre - half), min(block.stop, centre - half + most))


def signal_size(magnitudes: NDArray[np.float32]) -> float:
    """The size of bright signal: the 99.5th percentile of a zero-filled image's magnitude."""
    return max(float(np.percentile(magnitudes, 99.5)), float(np.finfo(np.float32).tiny))
