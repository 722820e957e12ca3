"""The running server killed while clients store into it."""

from __future__ import annotations

import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

from validation import NotAvailableError, check

KILLS = 50


@lru_cache(maxsize=1)
def _instances(kills: int) -> int:
    """How many instances were acknowledged, none of them lost, in servers that were killed as often."""
    from tests.server.test_killed import kill_often

    program = shutil.which("storescu")
    if program is None:
        raise NotAvailableError("program storescu is not installed (Debian package dcmtk)")
    with tempfile.TemporaryDirectory() as folder:
        return kill_often(Path(folder), program, kills, seed=3)


@check(
    "SIGKILL of the running server while DCMTK's storescu and STOW-RS store into it, after which nothing was missing",
    against="known truth",
    low=KILLS,
    reason="after each kill all that was acknowledged is found, and all that is found is whole, byte for byte",
    tested_elsewhere=True,
)
def kills_survived() -> float:
    """Number of kills."""
    return KILLS if _instances(KILLS) else 0


@check(
    "Instances that were acknowledged before those kills, all there at the end",
    against="known truth",
    low=10 * KILLS,
    reason="the kills came while something was stored, and not between",
    tested_elsewhere=True,
)
def instances_acknowledged() -> float:
    """Number of instances."""
    return _instances(KILLS)
