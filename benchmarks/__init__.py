"""Pellucid beside its peers: time and accuracy together, measured in one run on one machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Figure = Literal[
    "cpu ratio",
    "wall ratio",
    "cpu seconds",
    "wall seconds",
    "accuracy",
    "second accuracy",
    "accuracy ratio",
    "agreement",
]


@dataclass(frozen=True)
class Target:
    """A limit: `figure` of ours (a ratio is ours / `peer`) must not exceed `limit` (`at_least`: not fall below)."""

    figure: Figure
    limit: float
    peer: str = ""
    at_least: bool = False


@dataclass(frozen=True)
class Accuracy:
    """A number that says how right a result is, computed alike for ours and the peers'."""

    name: str
    function: Callable[[Array], float]


@dataclass(frozen=True)
class Agreement:
    """A number that says how alike our result and a peer's are."""

    name: str
    function: Callable[[Array, Array], float]


@dataclass(frozen=True)
class Task:
    """One task: `run()` is ours; `inputs` go to the peers' process, which answers with an array like ours.

    `peers` are names of modules in benchmarks/peers, each with a function named like the task; `note` is written under
    the tables: why there is no peer.
    """

    name: str
    title: str
    run: Callable[[], Array]
    accuracies: tuple[Accuracy, ...] = ()
    inputs: Mapping[str, Array] = field(default_factory=dict)
    agreement: Agreement | None = None
    peers: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()
    repeats: int = 5
    per: int = 1
    """How many equal items (slices) one call handles; seconds are reported per item."""
    note: str = ""


def root_mean_square(difference: Array, where: Array) -> float:
    """Root mean square of `difference` over the mask `where`."""
    return float(np.sqrt(np.mean(np.abs(difference[where]) ** 2)))
