"""The forward map: an image, seen through each coil, in k-space.

    y_c = M F Σ_m C_mc x_m            (Cartesian: `SenseEncoding`)
    y_c = F_k Σ_m C_mc x_m            (any trajectory: `NonCartesianEncoding`)

C: coil sensitivities, one set or, as ESPIRiT gives them, several; F: the centred unitary Fourier transform; M: which
samples were acquired; F_k: the Fourier transform at the trajectory. Pruessmann 1999 and 2001,
doi:10.1002/(SICI)1522-2594(199911)42:5<952::AID-MRM16>3.0.CO;2-S and doi:10.1002/mrm.1241.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import DTypeLike, NDArray

from pellucid.errors import InvalidInputError
from pellucid.kernels import kernel, parallel_kernel, prange, thread_count
from pellucid.operators import NonUniformFourier
from pellucid.operators.linear_operator import LinearOperator, complex_dtype, real_dtype

Array = NDArray[Any]

_WORTH_PRUNING = 0.8
"""Rows without samples are left out of the second transform where they are at least a fifth of all."""


class CoilSensitivity(LinearOperator):
    """What each coil sees: y_c = Σ_m C_mc x_m.

    `sensitivities`: complex `[map, coil, *grid]`; x is `[map, *grid]`, y `[coil, *grid]`.
    """

    def __init__(self, sensitivities: Array) -> None:
        if sensitivities.ndim < 3:
            raise InvalidInputError(f"is {sensitivities.shape}; expected (map, coil, *grid)", field="sensitivities")
        maps, coils, *grid = sensitivities.shape
        super().__init__((maps, *grid), (coils, *grid), sensitivities.dtype)
        self.sensitivities = np.ascontiguousarray(sensitivities)
        self._flat = self.sensitivities.reshape(maps, coils, -1)

    def _apply(self, x: Array) -> Array:
        out = np.empty((self.shape_out[0], self._flat.shape[2]), self.dtype)
        expand(self._flat, np.ascontiguousarray(x).reshape(len(self._flat), -1), out)
        return out.reshape(self.shape_out)

    def _adjoint(self, y: Array) -> Array:
        out = np.empty((len(self._flat), self._flat.shape[2]), self.dtype)
        gather(self._flat, np.ascontiguousarray(y).reshape(self.shape_out[0], -1), out)
        return out.reshape(self.shape_in)

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """One and two sets of three coils."""
        for maps in (1, 2):
            yield cls(_random((maps, 3, 5, 7), complex_dtype(dtype)))


class SenseEncoding(LinearOperator):
    """Multi-coil Cartesian k-space of a plane: y_c = M F Σ_m C_mc x_m.

    `sensitivities`: complex `[map, coil, row, column]`; `mask`: bool `[row or 1, column or 1]`, k = 0 at n // 2;
    `axes`: which of (0, 1) are Fourier encoded (a plane whose readouts are transformed already has (0,)).
    x is `[map, row, column]`, y `[coil, row, column]`, zero where not sampled.
    """

    def __init__(self, sensitivities: Array, mask: NDArray[np.bool_], axes: Sequence[int] = (0, 1)) -> None:
        maps, coils, rows, columns = sensitivities.shape
        super().__init__((maps, rows, columns), (coils, rows, columns), sensitivities.dtype)
        if mask.ndim != 2 or any(m not in (1, n) for m, n in zip(mask.shape, (rows, columns), strict=True)):
            raise InvalidInputError(f"is {mask.shape}; expected {(rows, columns)} or 1 along an axis", field="mask")
        if not axes or any(axis not in (0, 1) for axis in axes):
            raise InvalidInputError(f"is {tuple(axes)}; expected axes of (0, 1)", field="axes")
        self.axes = tuple(sorted(axes))
        self.mask = np.ascontiguousarray(np.broadcast_to(mask, (rows, columns)))
        # The centred transform is the plain one between two phase ramps. The inner one is part of the
        # sensitivities; the outer one has magnitude 1 and so does not matter to AᴴA.
        inner, outer = self._ramps()
        self.coils = CoilSensitivity((sensitivities * inner).astype(self.dtype))
        self._outer = (outer * self.mask).astype(self.dtype)
        used = np.flatnonzero(self.mask.any(axis=1))
        self._rows = used if self.axes == (0, 1) and used.size < _WORTH_PRUNING * rows else None
        self._weights = self.mask.astype(real_dtype(self.dtype))
        self._used_weights = np.ascontiguousarray(self._weights[used])

    def _ramps(self) -> tuple[Array, Array]:
        inner = outer = np.ones((1, 1), np.complex128)
        for axis in self.axes:
            n = self.shape_in[1 + axis]
            place, centre = np.arange(n), n // 2
            shape = (-1, 1) if axis == 0 else (1, -1)
            inner = inner * np.exp(2j * np.pi * place * centre / n).reshape(shape)
            outer = outer * np.exp(2j * np.pi * centre * (place - centre) / n).reshape(shape)
        return inner, outer

    def _transform_axes(self) -> tuple[int, ...]:
        return tuple(1 + axis for axis in self.axes)

    def _apply(self, x: Array) -> Array:
        spectrum = scipy.fft.fftn(
            self.coils(x), axes=self._transform_axes(), norm="ortho", overwrite_x=True, workers=thread_count()
        )
        spectrum *= self._outer
        result: Array = spectrum
        return result

    def _adjoint(self, y: Array) -> Array:
        images = scipy.fft.ifftn(
            y * self._outer.conj(), axes=self._transform_axes(), norm="ortho", overwrite_x=True, workers=thread_count()
        )
        return self.coils.adjoint(images)

    @property
    def gram(self) -> SenseNormal:
        """AᴴA, faster than the two in turn."""
        return SenseNormal(self)

    def normal(self, images: Array) -> Array:
        """AᴴA x with the transforms of rows without samples left out."""
        options: dict[str, Any] = {"norm": "ortho", "overwrite_x": True, "workers": thread_count()}
        if self._rows is None:
            spectrum = scipy.fft.fftn(self.coils(images), axes=self._transform_axes(), **options)
            scale_by(spectrum, self._weights)
            return self.coils.adjoint(scipy.fft.ifftn(spectrum, axes=self._transform_axes(), **options))
        spectrum = scipy.fft.fft(self.coils(images), axis=1, **options)
        used = scipy.fft.fft(spectrum[:, self._rows], axis=2, **options)
        scale_by(used, self._used_weights)
        spectrum.fill(0)
        spectrum[:, self._rows] = scipy.fft.ifft(used, axis=2, **options)
        return self.coils.adjoint(scipy.fft.ifft(spectrum, axis=1, **options))

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """Both axes with a random mask; rows without samples; one axis only; two sets of maps."""
        wanted = complex_dtype(dtype)
        generator = np.random.default_rng(3)
        yield cls(_random((2, 3, 5, 8), wanted), generator.random((5, 8)) < 0.5)
        rows = np.zeros((7, 1), np.bool_)
        rows[::3] = True
        yield cls(_random((1, 2, 7, 5), wanted), rows)
        yield cls(_random((1, 2, 7, 4), wanted), rows, (0,))


class SenseNormal(LinearOperator):
    """AᴴA + damping of a `SenseEncoding`, in one go."""

    def __init__(self, encoding: SenseEncoding, damping: float = 0.0) -> None:
        super().__init__(encoding.shape_in, encoding.shape_in, encoding.dtype)
        self.encoding, self.damping = encoding, damping

    def _apply(self, x: Array) -> Array:
        result = self.encoding.normal(x)
        if self.damping:
            result += real_dtype(self.dtype).type(self.damping) * x
        return result

    def _adjoint(self, y: Array) -> Array:
        return self._apply(y)

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """Those of `SenseEncoding`, damped."""
        for encoding in SenseEncoding.examples(dtype):
            assert isinstance(encoding, SenseEncoding)
            yield cls(encoding, 0.25)


class NonCartesianEncoding(LinearOperator):
    """Multi-coil k-space along a trajectory: y_c(k) = 1/√N Σ_r exp(−2πi k·r) Σ_m C_mc x_m.

    `sensitivities`: complex `[map, coil, row, column]`; `coordinates`: `[line, readout, 2]` in cycles per pixel along
    (row, column). x is `[map, row, column]`, y `[coil, line, readout]`.
    """

    def __init__(self, sensitivities: Array, coordinates: Array, *, tolerance: float | None = None) -> None:
        maps, coils, *grid = sensitivities.shape
        self.coils = CoilSensitivity(sensitivities)
        self.fourier = NonUniformFourier(
            grid, coordinates, batch=(coils,), tolerance=tolerance, dtype=sensitivities.dtype
        )
        super().__init__((maps, *grid), self.fourier.shape_out, sensitivities.dtype)

    def _apply(self, x: Array) -> Array:
        return self.fourier(self.coils(x))

    def _adjoint(self, y: Array) -> Array:
        return self.coils.adjoint(self.fourier.adjoint(y))

    def normal(self, weights: Array | None = None, *, damping: float = 0.0) -> NonCartesianNormal:
        """Aᴴ W A + damping by Toeplitz convolution; `weights` `[line, readout]`."""
        return NonCartesianNormal(self, weights, damping)

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """Random places, one and two sets of maps."""
        wanted = complex_dtype(dtype)
        places = np.random.default_rng(4).uniform(-0.5, 0.5, (3, 5, 2))
        yield cls(_random((1, 2, 7, 8), wanted), places)
        yield cls(_random((2, 3, 5, 6), wanted), places)


class NonCartesianNormal(LinearOperator):
    """Aᴴ W A + damping of a `NonCartesianEncoding`: sensitivities around a convolution."""

    def __init__(self, encoding: NonCartesianEncoding, weights: Array | None = None, damping: float = 0.0) -> None:
        super().__init__(encoding.shape_in, encoding.shape_in, encoding.dtype)
        self.encoding, self.damping = encoding, damping
        self.convolution = encoding.fourier.normal(weights)

    def damped(self, damping: float) -> NonCartesianNormal:
        """The same with another damping; shares the convolution's kernel."""
        other = copy(self)
        other.damping = damping
        return other

    def _apply(self, x: Array) -> Array:
        coils = self.encoding.coils
        result = coils.adjoint(self.convolution(coils(x)))
        if self.damping:
            result += real_dtype(self.dtype).type(self.damping) * x
        return result

    def _adjoint(self, y: Array) -> Array:
        return self._apply(y)

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """Those of `NonCartesianEncoding`, weighted and damped."""
        for encoding in NonCartesianEncoding.examples(dtype):
            assert isinstance(encoding, NonCartesianEncoding)
            weights = np.random.default_rng(5).random((3, 5))
            yield cls(encoding, weights, 0.25)


def _random(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    generator = np.random.default_rng(2)
    return (generator.standard_normal(shape) + 1j * generator.standard_normal(shape)).astype(dtype)


_BLOCK = 2048
"""Pixels that a thread works on at a time: all coils of a block stay in cache."""


@parallel_kernel
def expand(maps: Array, images: Array, out: Array) -> None:
    """Write out[c, i] = Σ_m maps[m, c, i] images[m, i]."""
    pixels = maps.shape[2]
    for block in prange((pixels + _BLOCK - 1) // _BLOCK):
        _expand_part(maps, images, block * _BLOCK, min(pixels, (block + 1) * _BLOCK), out)


@kernel
def _expand_part(maps: Array, images: Array, start: int, stop: int, out: Array) -> None:
    for c in range(len(out)):
        for i in range(start, stop):
            out[c, i] = maps[0, c, i] * images[0, i]
        for m in range(1, len(maps)):
            for i in range(start, stop):
                out[c, i] += maps[m, c, i] * images[m, i]


@parallel_kernel
def gather(maps: Array, coils: Array, out: Array) -> None:
    """Write out[m, i] = Σ_c conj(maps[m, c, i]) coils[c, i]."""
    pixels = maps.shape[2]
    for block in prange((pixels + _BLOCK - 1) // _BLOCK):
        _gather_part(maps, coils, block * _BLOCK, min(pixels, (block + 1) * _BLOCK), out)


@kernel
def _gather_part(maps: Array, coils: Array, start: int, stop: int, out: Array) -> None:
    for m in range(len(out)):
        for i in range(start, stop):
            out[m, i] = np.conj(maps[m, 0, i]) * coils[0, i]
        for c in range(1, len(coils)):
            for i in range(start, stop):
                out[m, i] += np.conj(maps[m, c, i]) * coils[c, i]


@parallel_kernel
def scale_by(coils: Array, weights: Array) -> None:
    """Multiply every coil's plane by real weights, in place."""
    count, rows, columns = coils.shape
    for n in prange(count * rows):
        c, row = n // rows, n % rows
        for column in range(columns):
            coils[c, row, column] *= weights[row, column]
