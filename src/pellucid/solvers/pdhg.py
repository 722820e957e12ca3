"""Primal-dual hybrid gradient: non-smooth terms without inner iterations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pellucid.errors import InvalidInputError
from pellucid.functionals import NonNegativity, SquaredDistance, TotalVariation, Zero
from pellucid.functionals.functional import DataTerm, Proximable
from pellucid.operators.linear_operator import Array, LinearOperator
from pellucid.operators.vectors import combine
from pellucid.solvers.state import State, signal, start

_NORM_SAFETY = 1.02
_FIRST_PART = 0.05
_CURVATURE_PART = 0.4
"""How far x has to go, of its size, once its coarse shape is there (which takes few iterations), and σ in units
of the data term's curvature: the best of those tried on denoising, CT and emission with TV."""


class PrimalDualTerm(DataTerm, Protocol):
    """A data term which also tells its scales."""

    def scales(self) -> tuple[float, float]:
        """Rough norm of the signal and mean curvature of f, for the step sizes."""


class BoxPrior(Proximable, Protocol):
    """A prior whose support function on a box is known, for the duality gap."""

    def support(self, z: Array, radius: float) -> float:
        """Maximum of ⟨z, x⟩ − g(x) over |x| ≤ radius."""


@dataclass
class _Steps:
    """σ of each dual block and τ with τ Σ σᵢ‖Kᵢ‖² = 1, from how far each variable has to go.

    They minimise the bound d₀²/τ + Σ dᵢ²/σᵢ of the convergence rate.
    """

    norms: list[float]
    distances: list[float]

    @property
    def primal(self) -> float:
        return self.distances[0] / sum(d * n for d, n in zip(self.distances[1:], self.norms, strict=True))

    def dual(self, block: int) -> float:
        return self.distances[1 + block] / (self.norms[block] * self.distances[0])


def pdhg(
    operator: LinearOperator,
    data_term: PrimalDualTerm,
    *,
    total_variation: TotalVariation | None = None,
    prior: BoxPrior | None = None,
    x0: Array | None = None,
    iterations: int,
    operator_norm: float | None = None,
    relaxation: float = 1.8,
) -> Iterator[State]:
    """Minimise F(A x) + TV(x) + G(x).

        x̃ = prox_τG(x − τ(Aᴴp + ∇ᴴu)),  p̃ = prox_σF*(p + σA(2x̃ − x)),  ũ likewise with ∇
        (x, p, u) ← (x, p, u) + relaxation · ((x̃, p̃, ũ) − (x, p, u))

    `data_term`: F, `SquaredDistance` or `KullbackLeibler`; `prior`: G, `NonNegativity` or `Zero` (default);
    `operator_norm`: an upper bound of ‖A‖ (default: 1.02 times its power iteration); `relaxation`: in (0, 2),
    over-relaxed above 1. Steps satisfy τ(σ₁‖A‖² + σ₂‖∇‖²) = 1, in ratios that follow the units of y, x and F.
    `State.x` is x̃; `State.value` the objective there; `State.gap` bounds what the objective can still fall,
    provided that the minimiser lies in the box |x| ≤ 2 max |x̃|. One A and one Aᴴ per iteration.
    Sources: Chambolle and Pock 2011, doi 10.1007/s10851-010-0251-1; Condat 2013, doi 10.1007/s10957-012-0245-9.
    """
    if not 0.0 < relaxation < 2.0:
        raise InvalidInputError(f"is {relaxation}; expected 0 < relaxation < 2", field="relaxation")
    solver = _PrimalDual(operator, data_term, total_variation, Zero() if prior is None else prior, x0)
    solver.set_steps(operator.norm() * _NORM_SAFETY if operator_norm is None else operator_norm)
    for iteration in range(1, iterations + 1):
        yield solver.iterate(iteration)
        solver.relax(relaxation)


def total_variation_pdhg(
    operator: LinearOperator,
    y: Array,
    *,
    weight: float,
    iterations: int,
    non_negative: bool = True,
    operator_norm: float | None = None,
    x0: Array | None = None,
    spacing: tuple[float, ...] | None = None,
    relaxation: float = 1.8,
) -> Iterator[State]:
    """Minimise ½ ‖A x − y‖² + weight · TV(x), over x ≥ 0 where `non_negative`: see `pdhg`.

    `spacing`: of x's last axes, relative to the finest; TV runs over as many axes (default: all).
    """
    return pdhg(
        operator,
        SquaredDistance(signal(operator, y)),
        total_variation=TotalVariation(weight, spacing=spacing),
        prior=NonNegativity() if non_negative else Zero(),
        x0=x0,
        iterations=iterations,
        operator_norm=operator_norm,
        relaxation=relaxation,
    )


class _PrimalDual:
    """The variables of `pdhg`: x with A x, p with Aᴴp, u."""

    def __init__(
        self,
        operator: LinearOperator,
        data_term: PrimalDualTerm,
        total_variation: TotalVariation | None,
        prior: BoxPrior,
        x0: Array | None,
    ) -> None:
        self.operator, self.data_term, self.prior = operator, data_term, prior
        self.total_variation = total_variation if total_variation and total_variation.weight > 0 else None
        self.x = start(operator, x0)
        self.mapped = np.zeros(operator.shape_out, operator.dtype) if x0 is None else operator(self.x)
        self.p = np.zeros(operator.shape_out, operator.dtype)
        self.pulled = np.zeros(operator.shape_in, operator.dtype)
        self.u = self.total_variation.zero_field(self.x) if self.total_variation else None

    def set_steps(self, operator_norm: float) -> None:
        """Step sizes from the scales of the signal, the data term and the prior."""
        if not (np.isfinite(operator_norm) and operator_norm > 0.0):
            raise InvalidInputError(f"is {operator_norm}; expected > 0", field="operator_norm")
        signal_scale, curvature = self.data_term.scales()
        distance = _FIRST_PART * (signal_scale or 1.0) / operator_norm
        norms, distances = [operator_norm], [distance, _CURVATURE_PART * curvature * distance * operator_norm]
        if self.total_variation is not None:
            norms.append(self.total_variation.norm_bound(self.x))
            distances.append(0.5 * self.total_variation.weight * self.x.size**0.5)
        self.steps = _Steps(norms, distances)

    def iterate(self, iteration: int) -> State:
        """Compute x̃, p̃, ũ and the state there."""
        tau, sigma = self.steps.primal, self.steps.dual(0)
        pull = self.pulled
        if self.total_variation is not None and self.u is not None:
            pull = self.total_variation.add_adjoint(self.u, pull)
        self.new_x = self.prior.proximal(combine(1.0, self.x, -tau, pull), tau)
        self.new_mapped = self.operator(self.new_x)
        ahead = combine(2.0, self.new_mapped, -1.0, self.mapped)
        self.new_p = self.data_term.proximal_dual(combine(1.0, self.p, sigma, ahead, out=ahead), sigma)
        self.new_pulled = self.operator.adjoint(self.new_p)
        value = self.data_term.value(self.new_mapped) + self.prior.value(self.new_x)
        pull = self.new_pulled
        if self.total_variation is not None and self.u is not None:
            self.new_u = np.empty_like(self.u)
            ahead = combine(2.0, self.new_x, -1.0, self.x)
            self.total_variation.ascend(self.u, ahead, self.steps.dual(1), self.new_u)
            value += self.total_variation.value(self.new_x)
            pull = self.total_variation.add_adjoint(self.new_u, pull)
        radius = 2.0 * float(np.max(np.abs(self.new_x), initial=0.0))
        gap = value + self.data_term.conjugate(self.new_p) + self.prior.support(-pull, radius)
        return State(iteration, self.new_x, value, gap)

    def relax(self, relaxation: float) -> None:
        """Move to (or beyond) the new variables."""
        pairs = [(self.x, self.new_x), (self.mapped, self.new_mapped), (self.p, self.new_p)]
        pairs.append((self.pulled, self.new_pulled))
        if self.u is not None:
            pairs.append((self.u, self.new_u))
        if relaxation != 1.0:
            moved = [combine(1.0 - relaxation, old, relaxation, new) for old, new in pairs]
        else:
            moved = [new for _, new in pairs]
        self.x, self.mapped, self.p, self.pulled = moved[:4]
        if self.u is not None:
            self.u = moved[4]
