"""Comparisons with analytic truth, real data, published references and peers.

Each comparison is a function that returns one number, registered with what it must not exceed (or fall below)
and why. The tests run them; `python -m validation` writes them all to docs/validation.md.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

Against = Literal["analytic truth", "known truth", "real data", "published reference", "peer"]
FAMILIES = ("core", "anatomy", "xray", "mr", "nuclear", "dicom", "archive")


class NotAvailableError(Exception):
    """The data or the peer that a comparison needs is absent; the text says which."""


@dataclass(frozen=True)
class Check:
    """One registered comparison; `tested_elsewhere`: it runs, at full length, what a slow test of its own runs."""

    family: str
    title: str
    against: Against
    unit: str
    low: float
    high: float
    reason: str
    slow: bool
    tested_elsewhere: bool
    function: Callable[[], float]

    @property
    def name(self) -> str:
        """Family and function name."""
        return f"{self.family}.{self.function.__name__}"

    def met(self, value: float) -> bool:
        """Whether `value` is within the tolerance (NaN never is)."""
        return self.low <= value <= self.high


CHECKS: list[Check] = []


def check(
    title: str,
    *,
    against: Against,
    reason: str,
    low: float = -math.inf,
    high: float = math.inf,
    unit: str = "1",
    slow: bool = False,
    tested_elsewhere: bool = False,
) -> Callable[[Callable[[], float]], Callable[[], float]]:
    """Register a comparison: its number must lie in `low` … `high`; `reason` says why that tolerance."""

    def register(function: Callable[[], float]) -> Callable[[], float]:
        family = function.__module__.split(".")[1]
        CHECKS.append(Check(family, title, against, unit, low, high, reason, slow, tested_elsewhere, function))
        return function

    return register


def all_checks() -> list[Check]:
    """Every registered comparison, all families imported."""
    for family in FAMILIES:
        if (Path(__file__).parent / f"{family}.py").exists() or (Path(__file__).parent / family).is_dir():
            import_module(f"validation.{family}")
    return CHECKS


def data(relative: str) -> Path:
    """A file or folder of the real test data; raises `NotAvailableError` naming it where absent."""
    root = Path(os.environ.get("PELLUCID_TEST_DATA", Path(__file__).parents[1] / "../shared/data"))
    path = root / relative
    if not path.exists():
        raise NotAvailableError(f"test data {relative} not found (PELLUCID_TEST_DATA)")
    return path
