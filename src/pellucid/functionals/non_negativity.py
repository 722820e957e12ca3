"""Constraints on values."""

from __future__ import annotations

import numpy as np

from pellucid.operators.linear_operator import Array


class NonNegativity:
    """f(x) = 0 where all x ≥ 0, infinite otherwise; x is real."""

    def value(self, x: Array) -> float:
        """0 or infinite."""
        return 0.0 if not np.any(x < 0) else float("inf")

    def proximal(self, x: Array, step: float) -> Array:  # noqa: ARG002 (a projection has no step)
        """max(x, 0)."""
        result: Array = np.maximum(x, 0)
        return result

    def support(self, z: Array, radius: float) -> float:
        """Max ⟨z, x⟩ over 0 ≤ x ≤ radius."""
        return radius * float(np.sum(np.maximum(z, 0), dtype=np.float64))


class Zero:
    """f(x) = 0: no prior."""

    def value(self, x: Array) -> float:  # noqa: ARG002
        """0."""
        return 0.0

    def proximal(self, x: Array, step: float) -> Array:  # noqa: ARG002
        """Give x itself."""
        return x

    def support(self, z: Array, radius: float) -> float:
        """Max Re ⟨z, x⟩ over |x| ≤ radius."""
        return radius * float(np.sum(np.abs(z), dtype=np.float64))
