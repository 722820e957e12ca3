"""Maximum likelihood of counted quanta by expectation maximisation, with all data or ordered subsets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.errors import InvalidInputError
from pellucid.functionals import KullbackLeibler
from pellucid.kernels import parallel_kernel, prange
from pellucid.operators.linear_operator import Array, LinearOperator
from pellucid.solvers.state import State


@dataclass(frozen=True, eq=False)
class Subset:
    """A part of the signal: its operator, its counts, the counts expected from elsewhere, and its sensitivity.

    `operator`: A, real with entries ≥ 0; `counts`: y ≥ 0 of `operator.shape_out`; `background`: b ≥ 0 that
    broadcasts to y (randoms, scatter); `sensitivity`: s of `operator.shape_in` (default Aᵀ1).
    """

    operator: LinearOperator
    counts: Array
    background: Array | float = 0.0
    sensitivity: Array | None = None


def mlem(
    operator: LinearOperator,
    counts: Array,
    *,
    background: Array | float = 0.0,
    sensitivity: Array | None = None,
    x0: Array | None = None,
    iterations: int,
) -> Iterator[State]:
    """Repeat x ← x/s · Aᵀ(y/(A x + b)), s = Aᵀ1: maximises the Poisson likelihood, keeping x ≥ 0.

    Arguments as in `Subset`; `x0`: positive start (default: 1 everywhere; 0 stays 0). Voxels with zero
    sensitivity become 0. Bins whose expectation is 0 (or below the smallest normal number) are left out.
    `State.value` is the `KullbackLeibler` distance of y from A x + b at the image the iteration began with; x is
    updated in place.
    Source: Shepp and Vardi 1982, doi 10.1109/TMI.1982.4307558.
    """
    return osem([Subset(operator, counts, background, sensitivity)], x0=x0, iterations=iterations)


def osem(subsets: Sequence[Subset], *, x0: Array | None = None, iterations: int) -> Iterator[State]:
    """`mlem` with one update per subset; an iteration passes through all subsets once, in the order given.

    A voxel which a subset does not see keeps its value in that subset's update; one that no subset sees
    becomes 0. `State.value` sums the distances of the subsets, each at the image its update began with.
    Source: Hudson and Larkin 1994, doi 10.1109/42.363108.
    """
    if not subsets:
        raise InvalidInputError("is empty; expected at least one subset", field="subsets")
    first = subsets[0].operator
    x = _positive_start(first, x0)
    prepared = []
    for number, subset in enumerate(subsets):
        if subset.operator.shape_in != first.shape_in:
            raise InvalidInputError(
                f"maps from {subset.operator.shape_in}, not {first.shape_in}", field=f"subset {number}"
            )
        prepared.append(_Prepared(subset))
    x[np.all([item.sensitivity == 0 for item in prepared], axis=0)] = 0
    for iteration in range(1, iterations + 1):
        value = sum(item.update(x) for item in prepared)
        yield State(iteration, x, value)


class _Prepared:
    """A subset with its arrays checked."""

    def __init__(self, subset: Subset) -> None:
        self.operator = subset.operator
        counts = np.asarray(subset.counts, self.operator.dtype)
        if counts.shape != self.operator.shape_out:
            raise InvalidInputError(
                f"is {counts.shape}; expected {self.operator.shape_out} of {self.operator!r}", field="counts"
            )
        self.distance = KullbackLeibler(counts, subset.background)
        if subset.sensitivity is None:
            given = self.operator.adjoint(np.ones(self.operator.shape_out, self.operator.dtype))
        else:
            given = np.asarray(subset.sensitivity, self.operator.dtype)
        if given.shape != self.operator.shape_in:
            raise InvalidInputError(f"is {given.shape}; expected {self.operator.shape_in}", field="sensitivity")
        floor = np.finfo(given.dtype).eps * float(np.max(given, initial=0.0))
        self.sensitivity = np.where(given > floor, given, 0)

    def update(self, x: Array) -> float:
        """Update x in place; the distance before."""
        expected = np.ascontiguousarray(self.operator(x))
        counts, background = self.distance.counts, self.distance.background
        value = self.distance.value(expected)
        ratio = np.empty_like(counts)
        least = counts.dtype.type(np.finfo(counts.dtype).tiny)
        count_ratio(expected.reshape(-1), counts.reshape(-1), background.reshape(-1), least, ratio.reshape(-1))
        factor = np.ascontiguousarray(self.operator.adjoint(ratio))
        multiply(x.reshape(-1), factor.reshape(-1), self.sensitivity.reshape(-1))
        return value


def _positive_start(operator: LinearOperator, x0: Array | None) -> Array:
    if operator.dtype.kind != "f":
        raise InvalidInputError(f"is {operator.dtype}; expected a real operator", field=repr(operator))
    if x0 is None:
        return np.ones(operator.shape_in, operator.dtype)
    if np.shape(x0) != operator.shape_in:
        raise InvalidInputError(f"is {np.shape(x0)}; expected {operator.shape_in} of {operator!r}", field="x0")
    x = np.array(x0, operator.dtype, order="C")
    if not np.all((x >= 0) & np.isfinite(x)):
        raise InvalidInputError("holds negative or non-finite values; expected > 0", field="x0")
    return x


@parallel_kernel
def count_ratio(expected: Array, counts: Array, background: Array, least: np.floating, out: Array) -> None:
    """Write y/(A x + b), 0 where the expectation is below `least`: the smallest number whose inverse is finite."""
    zero = counts.dtype.type(0)
    for i in prange(counts.size):
        total = expected[i] + background[i]
        out[i] = counts[i] / total if total >= least else zero


@parallel_kernel
def multiply(x: Array, factor: Array, sensitivity: Array) -> None:
    """Set x ← x factor/sensitivity, unchanged where the sensitivity is 0."""
    zero = x.dtype.type(0)
    for i in prange(x.size):
        if sensitivity[i] > zero:
            x[i] = x[i] * max(factor[i], zero) / sensitivity[i]
