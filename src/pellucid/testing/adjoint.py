"""The adjoint test ⟨A x, y⟩ = ⟨x, Aᴴ y⟩, for every operator there is."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pellucid
from pellucid.operators.linear_operator import LinearOperator

_WITHOUT_OPERATORS = ("pellucid.server", "pellucid.cli", "pellucid.archive", "pellucid.dicomweb")


def draw(shape: tuple[int, ...], dtype: np.dtype[Any], seed: int) -> NDArray[Any]:
    """Zero-mean normal numbers, complex where `dtype` is.

    Zero mean matters: with positive numbers an adjoint that loses a voxel still passes.
    """
    generator = np.random.default_rng(seed)
    values = generator.standard_normal(shape)
    if dtype.kind == "c":
        return (values + 1j * generator.standard_normal(shape)).astype(dtype)
    return values.astype(dtype)


def adjoint_gap(operator: LinearOperator, seed: int = 0) -> float:
    """|⟨Ax, y⟩ − ⟨x, Aᴴy⟩| / (‖Ax‖ ‖y‖), with the sums in double precision."""
    x = draw(operator.shape_in, operator.dtype, seed)
    y = draw(operator.shape_out, operator.dtype, seed + 1)
    wide = np.result_type(operator.dtype, np.float64)
    ax, aty = operator(x).astype(wide), operator.adjoint(y).astype(wide)
    left, right = np.vdot(y, ax), np.vdot(aty, x.astype(wide))
    scale = float(np.linalg.norm(ax) * np.linalg.norm(y))
    return float(abs(left - right)) / scale


def dense_matrix(operator: LinearOperator) -> NDArray[Any]:
    """The operator's matrix, column by column (small operators only)."""
    size = int(np.prod(operator.shape_in))
    columns = []
    for index in range(size):
        unit = np.zeros(size, operator.dtype)
        unit[index] = 1
        columns.append(operator(unit.reshape(operator.shape_in)).ravel())
    return np.stack(columns, axis=1)


def operator_classes() -> list[type[LinearOperator]]:
    """Every concrete operator class of the package, found by importing all its modules."""
    for module in pkgutil.walk_packages(pellucid.__path__, "pellucid."):
        if not module.name.startswith(_WITHOUT_OPERATORS):
            import_module(module.name)
    found: list[type[LinearOperator]] = []
    waiting = [LinearOperator]
    while waiting:
        for child in waiting.pop().__subclasses__():
            waiting.append(child)
            if not inspect.isabstract(child) and child.__module__.startswith("pellucid."):
                found.append(child)
    return sorted(set(found), key=lambda cls: (cls.__module__, cls.__name__))
