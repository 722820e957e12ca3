"""Fourier transform at arbitrary places of k-space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from pellucid.errors import InvalidInputError
from pellucid.kernels import thread_count
from pellucid.operators.linear_operator import Array, LinearOperator, complex_dtype, real_dtype
from pellucid.operators.toeplitz import Toeplitz


class NonUniformFourier(LinearOperator):
    """Fourier transform of an image at arbitrary spatial frequencies.

    y[m] = 1/√N Σₙ x[n] exp(−2πi k[m]·(n − c)), c = ⌊shape/2⌋, N = Π shape; at k = (j − c)/shape it is `Fourier`.

    `shape`: of the image, 2 or 3 (or 1) axes; `coordinates`: k [cycles/pixel], `(*samples, axes)` in the order of
    the image's axes, −½ … ½ spans the band of the image (others alias back into it); `batch`: leading axes
    (coils), so x is `(*batch, *shape)` and y `(*batch, *samples)`; `tolerance`: relative error asked of the
    transform (default 1e-6 in single precision, which with rounding gives 2e-6 to 1e-5; 1e-12 in double).
    The adjoint is exact at any tolerance. Raises `InvalidInputError` for coordinates that are not finite or
    whose last axis does not fit.
    Source: Barnett, Magland and af Klinteberg 2019, doi 10.1137/18M120885X (finufft).
    """

    def __init__(
        self,
        shape: Sequence[int],
        coordinates: Array,
        *,
        batch: Sequence[int] = (),
        tolerance: float | None = None,
        dtype: DTypeLike = np.complex64,
    ) -> None:
        coordinates = np.asarray(coordinates, np.float64)
        if coordinates.ndim < 1 or coordinates.shape[-1] != len(shape) or not 1 <= len(shape) <= 3:
            raise InvalidInputError(
                f"is {coordinates.shape}; expected a last axis of {len(shape)} for an image of {tuple(shape)} "
                "with 1 to 3 axes",
                field="coordinates",
            )
        if not np.all(np.isfinite(coordinates)):
            raise InvalidInputError("holds values that are not finite [cycles/pixel]", field="coordinates")
        super().__init__((*batch, *shape), (*batch, *coordinates.shape[:-1]), dtype)
        if self.dtype.kind != "c":
            raise InvalidInputError(f"is {self.dtype}; expected a complex dtype", field="dtype")
        self.image_shape, self.batch = tuple(int(n) for n in shape), tuple(int(n) for n in batch)
        self.coordinates = coordinates
        self.tolerance = tolerance or (1e-6 if self.dtype == np.complex64 else 1e-12)
        self._scale = real_dtype(self.dtype).type(float(np.prod(self.image_shape)) ** -0.5)
        self._plans: dict[int, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the plans, which are made again when needed."""
        return {**self.__dict__, "_plans": {}}

    def _plan(self, kind: int) -> Any:
        if kind not in self._plans:
            self._plans[kind] = planned(
                kind, self.image_shape, self.coordinates, max(1, int(np.prod(self.batch))), self.tolerance, self.dtype
            )
        return self._plans[kind]

    def _apply(self, x: Array) -> Array:
        images = np.ascontiguousarray(x).reshape(-1, *self.image_shape)
        samples: Array = self._plan(2).execute(images if self._many else images[0])
        samples *= self._scale
        return samples.reshape(self.shape_out)

    def _adjoint(self, y: Array) -> Array:
        samples = np.ascontiguousarray(y).reshape(max(1, int(np.prod(self.batch))), -1)
        images: Array = self._plan(1).execute(samples if self._many else samples[0])
        images *= self._scale
        return images.reshape(self.shape_in)

    @property
    def _many(self) -> bool:
        return int(np.prod(self.batch)) > 1

    def normal(self, weights: Array | None = None) -> Toeplitz:
        """Aᴴ W A as a convolution by two FFTs: the same to `tolerance`, and faster for many samples.

        `weights`: real, of the shape of the samples without batch (default 1).
        """
        shape = self.coordinates.shape[:-1]
        given = np.ones(shape) if weights is None else np.asarray(weights)
        if given.shape != shape or np.iscomplexobj(given):
            raise InvalidInputError(f"is {given.shape} {given.dtype}; expected real {shape}", field="weights")
        double = tuple(2 * n for n in self.image_shape)
        plan = planned(1, double, self.coordinates, 1, self.tolerance, self.dtype)
        kernel = plan.execute(given.astype(self.dtype).ravel()) / float(np.prod(self.image_shape))
        return Toeplitz(self.image_shape, kernel, batch=self.batch)

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """Random places for odd and mixed images in 1, 2 and 3 dimensions, with and without coils."""
        generator = np.random.default_rng(7)
        wanted = complex_dtype(dtype)
        yield cls((9,), generator.uniform(-0.5, 0.5, (11, 1)), dtype=wanted)
        yield cls((7, 8), generator.uniform(-0.5, 0.5, (3, 5, 2)), batch=(3,), dtype=wanted)
        yield cls((3, 6, 5), generator.uniform(-0.5, 0.5, (13, 3)), dtype=wanted)


def planned(
    kind: int, shape: tuple[int, ...], coordinates: Array, count: int, tolerance: float, dtype: np.dtype[Any]
) -> Any:
    """A finufft plan with its points set; kind 1: samples to image, 2: image to samples."""
    import finufft

    plan = finufft.Plan(
        kind,
        shape,
        n_trans=count,
        eps=tolerance,
        isign=-1 if kind == 2 else 1,
        dtype=str(dtype),
        nthreads=thread_count(),
    )
    turns = 2.0 * np.pi * (coordinates - np.rint(coordinates)).reshape(-1, len(shape))
    plan.setpts(*(np.ascontiguousarray(turns[:, axis], real_dtype(dtype)) for axis in range(len(shape))))
    return plan
