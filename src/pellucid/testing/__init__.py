"""Checks that our tests and other people's plug-ins share."""

from pellucid.testing.adjoint import adjoint_gap, dense_matrix, draw, operator_classes
from pellucid.testing.matrix import Matrix

__all__ = ["Matrix", "adjoint_gap", "dense_matrix", "draw", "operator_classes"]
