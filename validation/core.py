"""Operators, functionals and solvers against sums, matrices and minimisers that share none of their code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.functionals import KullbackLeibler, NonNegativity, TotalVariation
from pellucid.operators import GaussianBlur, NonUniformFourier, Wavelet
from pellucid.solvers import cgls, last, mlem, pdhg
from pellucid.testing import Matrix, draw
from validation import NotAvailableError, check

Array = NDArray[Any]


def ellipses(size: int) -> NDArray[np.float32]:
    """A head of five ellipses, as an object to transform."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    image = np.zeros((size, size), np.float32)
    for value, a, b, column, row in ((1, 0.7, 0.9, 0, 0), (-0.8, 0.62, 0.82, 0, 0), (0.4, 0.2, 0.2, 0.2, 0.3)):
        image[((x - column) / a) ** 2 + ((y - row) / b) ** 2 < 1] += value
    return image


def difference_matrices(shape: Sequence[int], spacing: Sequence[float]) -> list[Array]:
    """Forward differences along each axis as dense matrices."""
    units = np.eye(int(np.prod(shape))).reshape(-1, *shape)
    found = []
    for axis, size in enumerate(spacing, start=1):
        change = np.diff(units, axis=axis, append=np.take(units, [-1], axis)) / size
        found.append(change.reshape(len(units), -1).T)
    return found


def total_variation_by_matrices(x: Array, weight: float, spacing: Sequence[float], iterations: int = 4000) -> Array:
    """argmin_u weight TV(u) + ½‖u − x‖² by plain projected gradients on the dual."""
    stacked = np.stack(difference_matrices(x.shape, spacing))
    dual = np.zeros((len(spacing), x.size), x.dtype)
    step = 1.0 / sum(4.0 / size**2 for size in spacing)
    for _ in range(iterations):
        dual = dual + step * (stacked @ (x.ravel() - np.einsum("aij,ai->j", stacked, dual)))
        dual = dual / np.maximum(np.sqrt((np.abs(dual) ** 2).sum(axis=0)) / weight, 1.0)
    return (x.ravel() - np.einsum("aij,ai->j", stacked, dual)).reshape(x.shape)


def smoothed_minimum(data_term: Callable[[Array], tuple[float, Array]], weight: float, shape: Sequence[int]) -> float:
    """Min data(x) + weight TV(x) over x ≥ 0 by L-BFGS-B on ever less smoothed total variation."""
    from scipy.optimize import minimize

    stacked = np.stack(difference_matrices(shape, (1.0,) * len(shape)))

    def objective(x: Array, smoothing: float) -> tuple[float, Array]:
        value, gradient = data_term(x)
        change = stacked @ x
        length = np.sqrt((change**2).sum(axis=0) + smoothing**2)
        return value + weight * length.sum(), gradient + weight * np.einsum("aij,ai->j", stacked, change / length)

    x = np.full(int(np.prod(shape)), 0.5)
    options = {"maxiter": 4000, "ftol": 1e-15}
    for smoothing in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5):
        bounds = [(0, None)] * x.size
        x = minimize(objective, x, (smoothing,), "L-BFGS-B", jac=True, bounds=bounds, options=options).x
    return objective(x, 1e-12)[0]


def _emission() -> tuple[Array, Array, float]:
    """A small emission system: matrix, counts, background."""
    matrix = np.abs(draw((40, 30), np.dtype(np.float64), 8))
    return matrix, np.random.default_rng(9).poisson(matrix @ np.linspace(0.0, 3.0, 30)).astype(float), 1.0


@check(
    "Non-uniform Fourier transform in single precision, radial, 256 x 256, relative error",
    against="analytic truth",
    high=1e-5,
    reason="the exact sum at 300 of the places; 1e-6 is asked, and coordinates in single precision add a few",
)
def non_uniform_fourier_error() -> float:
    """‖y − exact‖/‖exact‖ for an object of ellipses."""
    image = ellipses(256)
    angle, radius = np.pi * np.arange(200)[:, None] / 200, (np.arange(512) - 256) / 512
    places = np.stack([np.sin(angle) * radius, np.cos(angle) * radius], -1)
    samples = NonUniformFourier(image.shape, places)(image)
    chosen = np.random.default_rng(0).choice(samples.size, 300, replace=False)
    row, column = (np.exp(-2j * np.pi * np.outer(k, np.arange(256) - 128)) for k in places.reshape(-1, 2)[chosen].T)
    exact = np.einsum("mi,ij,mj->m", row, image.astype(float), column) / 256
    return float(np.linalg.norm(samples.ravel()[chosen] - exact) / np.linalg.norm(exact))


@check(
    "Daubechies wavelet transform, one level of 32 x 48, largest difference",
    against="peer",
    high=1e-12,
    reason="PyWavelets' db2 with periodization is the same transform: rounding only",
    slow=True,
)
def wavelet_difference() -> float:
    """The largest difference of any coefficient."""
    try:
        import pywt
    except ImportError:
        raise NotAvailableError("PyWavelets is not installed") from None
    x = draw((32, 48), np.dtype(np.float64), 0)
    ours = Wavelet(x.shape, levels=1, shift=(1, 1), dtype=np.float64)(x)
    theirs = np.concatenate(pywt.dwt(x, "db2", "periodization", 0), 0)
    theirs = np.concatenate(pywt.dwt(theirs, "db2", "periodization", 1), 1)
    return float(np.abs(ours - theirs).max())


@check(
    "Gaussian blur of 5 mm, width of a point, relative error",
    against="analytic truth",
    high=2e-3,
    reason="variance of the Gaussian and of one sample; cutting at 4 standard deviations takes away 0.1 %",
)
def blur_width_error() -> float:
    """Relative error of the full width at half maximum by second moments."""
    x = np.zeros((1, 81))
    x[0, 40] = 1.0
    profile = GaussianBlur(x.shape, fwhm_mm=(0.0, 5.0), spacing_mm=(1.0, 0.8), dtype=np.float64)(x)[0]
    variance = float(profile @ (0.8 * (np.arange(81) - 40.0)) ** 2) - 0.8**2 / 12.0
    return abs(float(np.sqrt(8.0 * np.log(2.0) * variance)) / 5.0 - 1.0)


@check(
    "CGLS, 8 unknowns in 8 steps, relative error",
    against="analytic truth",
    high=1e-9,
    reason="exact after as many steps as unknowns, to rounding",
)
def cgls_error() -> float:
    """‖x − dense solution‖/‖dense solution‖."""
    matrix, y = draw((20, 8), np.dtype(np.complex128), 3), draw((20,), np.dtype(np.complex128), 4)
    exact = np.linalg.lstsq(matrix, y)[0]
    return float(np.linalg.norm(last(cgls(Matrix(matrix), y, iterations=8), total=8) - exact) / np.linalg.norm(exact))


@check(
    "Total variation denoising of 9 x 10, anisotropic voxel spacing (2 x 1), largest difference",
    against="known truth",
    high=1e-5,
    reason="plain projected gradients with dense matrices: after 4000 iterations both are that close",
    slow=True,
)
def total_variation_difference() -> float:
    """The largest difference of any voxel."""
    x = draw((9, 10), np.dtype(np.float64), 0)
    fast = TotalVariation(0.3, spacing=(2.0, 1.0), iterations=400).proximal(x, 1.0)
    return float(np.abs(fast - total_variation_by_matrices(x, 0.3, (2.0, 1.0))).max())


@check(
    "Counts with total variation and positivity by the primal-dual method, objective above the minimum",
    against="known truth",
    low=-1e-5,
    high=1e-5,
    reason="L-BFGS-B on a total variation smoothed by 1e-5, good to about 1e-6",
    slow=True,
)
def primal_dual_excess() -> float:
    """Relative difference of the objective."""
    matrix, counts, background = _emission()

    def data_term(x: Array) -> tuple[float, Array]:
        expected = matrix @ x + background
        deviance = expected - counts + counts * np.log(np.maximum(counts, 1e-300) / expected)
        return float(deviance.sum()), matrix.T @ (1.0 - counts / expected)

    least = smoothed_minimum(data_term, 0.5, (5, 6))
    term = KullbackLeibler(counts, background)
    for state in pdhg(
        Matrix(matrix, (5, 6)), term, total_variation=TotalVariation(0.5), prior=NonNegativity(), iterations=1500
    ):
        reached = state.value
    return (reached - least) / least


@check(
    "MLEM, 4 unknowns, largest error",
    against="known truth",
    high=1e-4,
    reason="the likelihood's maximum by L-BFGS-B; 20000 iterations come that close",
    slow=True,
)
def mlem_error() -> float:
    """The largest difference of any voxel."""
    from scipy.optimize import minimize

    matrix = np.abs(draw((15, 4), np.dtype(np.float64), 0))
    counts = np.random.default_rng(1).poisson(matrix @ np.array([3.0, 0.0, 10.0, 5.0]) + 2.0).astype(float)

    def objective(x: Array) -> tuple[float, Array]:
        expected = matrix @ x + 2.0
        return float((expected - counts * np.log(expected)).sum()), matrix.T @ (1.0 - counts / expected)

    bounds = [(0, None)] * 4
    exact = minimize(objective, np.ones(4), jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15}).x
    x = last(mlem(Matrix(matrix), counts, background=2.0, iterations=20000), total=20000)
    return float(np.abs(x - exact).max())
