"""What a solver tells after each iteration, and the loop that drives one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.errors import InvalidInputError
from pellucid.operators.linear_operator import Array, LinearOperator
from pellucid.progress import Progress, no_progress

_SECONDS_BETWEEN_PREVIEWS = 0.5


@dataclass(frozen=True)
class State:
    """One iteration done.

    `iteration`: from 1; `x`: the iterate, which the next iteration may overwrite (copy it to keep it);
    `value`: what the solver minimises, as its docstring says; `gap`: a bound of what is left, where known.
    """

    iteration: int
    x: Array
    value: float
    gap: float | None = None


def last(
    states: Iterator[State],
    *,
    progress: Progress = no_progress,
    total: int,
    message: str = "",
    preview: Callable[[Array], Any] | None = None,
) -> Array:
    """Run a solver to its end and return its last x.

    `progress` is called after every iteration of `total` (raising there cancels the work); `preview` turns x
    into the Image it is given, at most twice a second. Raises `InvalidInputError` where x is not finite.
    """
    x: Array | None = None
    due = -np.inf
    for state in states:
        x = state.x
        picture = None
        if preview is not None and progress is not no_progress and time.monotonic() >= due:
            picture = preview(x)
            due = time.monotonic() + _SECONDS_BETWEEN_PREVIEWS
        progress(min(1.0, state.iteration / max(total, 1)), message, picture)
    if x is None:
        raise InvalidInputError("the solver made no iteration; expected at least 1", field="iterations")
    if not np.all(np.isfinite(x)):
        raise InvalidInputError(
            "the iteration did not stay finite; use a smaller step or check the signal", field=message or "x"
        )
    return x


def start(operator: LinearOperator, x0: Array | None) -> Array:
    """A fresh contiguous copy of x0 (None: zeros) as the operator wants it."""
    if x0 is None:
        return np.zeros(operator.shape_in, operator.dtype)
    if np.shape(x0) != operator.shape_in:
        raise InvalidInputError(f"is {np.shape(x0)}; expected {operator.shape_in} of {operator!r}", field="x0")
    return np.array(x0, operator.dtype, order="C")


def signal(operator: LinearOperator, y: Array, name: str = "y") -> Array:
    """`y` in the operator's dtype; raises `InvalidInputError` where its shape is wrong."""
    if np.shape(y) != operator.shape_out:
        raise InvalidInputError(f"is {np.shape(y)}; expected {operator.shape_out} of {operator!r}", field=name)
    if np.iscomplexobj(y) and operator.dtype.kind != "c":
        raise InvalidInputError(f"is complex; expected real {operator.dtype}", field=name)
    return np.asarray(y, operator.dtype)
