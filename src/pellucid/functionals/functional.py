"""What solvers ask of a functional."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from pellucid.operators.linear_operator import Array


@runtime_checkable
class Functional(Protocol):
    """A convex function of an array, f(x) → real number (infinite where a constraint is broken)."""

    def value(self, x: Array) -> float:
        """f(x)."""


@runtime_checkable
class Smooth(Functional, Protocol):
    """A functional with a gradient (for complex x: ∂f/∂Re x + i ∂f/∂Im x)."""

    def gradient(self, x: Array) -> Array:
        """∇f(x), a new array."""


@runtime_checkable
class Proximable(Functional, Protocol):
    """A functional with a proximal map."""

    def proximal(self, x: Array, step: float) -> Array:
        """argmin_u f(u) + ‖u − x‖²/(2 step), a new array."""


@runtime_checkable
class DataTerm(Proximable, Protocol):
    """A functional of the expected signal z = A x, as primal-dual methods use it."""

    def proximal_dual(self, p: Array, step: float) -> Array:
        """argmin_q f*(q) + ‖q − p‖²/(2 step) with the convex conjugate f*, a new array."""

    def conjugate(self, p: Array) -> float:
        """f*(p) = max_z ⟨p, z⟩ − f(z) (infinite outside its domain)."""


def moreau_dual(functional: Proximable, p: Array, step: float) -> Array:
    """The proximal map of step · f* from that of f: p − step · prox_{f/step}(p/step) (Moreau's identity)."""
    return p - step * functional.proximal(p / step, 1.0 / step)
