"""Checks that our tests and other people's plug-ins share."""

from pellucid.testing.adjoint import adjoint_gap, dense_matrix, operator_classes

__all__ = ["adjoint_gap", "dense_matrix", "operator_classes"]
