"""What holds for every case: it ends within 5 s, and the memory of the process does not grow with their number."""

import gc
import logging
import sys
import time
from contextlib import contextmanager
from pathlib import Path

SLOWEST_S = 5.0


def resident_mb(process="self", what="VmRSS"):
    """Memory in use [MB]."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


class Watch:
    """Counts cases; `growth_mb`: by how much memory has grown since the first `settled` of them."""

    def __init__(self, settled=500):
        self.cases, self.slowest, self.outcomes, self.grown_mb = 0, 0.0, {}, 0.0
        self._settled, self._base = settled, None

    @contextmanager
    def case(self):
        """One case; nothing but its time is judged here."""
        began = time.monotonic()
        yield
        taken = time.monotonic() - began
        assert taken < SLOWEST_S, f"case {self.cases} took {taken:.1f} s"
        self.cases, self.slowest = self.cases + 1, max(self.slowest, taken)
        if self.cases == self._settled:
            gc.collect()
            self._base = resident_mb()

    def note(self, outcome):
        """Count what became of a case."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def refused(self, error):
        """Count a refusal, whose text must be one line."""
        assert str(error).isprintable(), error
        self.note("refused")

    def report(self, what=""):
        """Show what was done, where pytest does not capture it (-s)."""
        sys.stderr.write(f"\n{what} {self}\n")

    @property
    def growth_mb(self):
        """Memory grown since the caches were warm; `grown_mb` remembers it."""
        gc.collect()
        self.grown_mb = resident_mb() - self._base
        return self.grown_mb

    def __str__(self):
        return f"{self.cases} cases, slowest {self.slowest:.2f} s, grown {self.growth_mb:.1f} MB, {self.outcomes}"


@contextmanager
def no_failure_logged():
    """Nothing that the program logs meanwhile is an error."""
    said = []

    class Listening(logging.Handler):
        def emit(self, record):
            said.append(record.getMessage())

    listening = Listening(logging.ERROR)
    logging.getLogger("pellucid").addHandler(listening)
    try:
        yield
    finally:
        logging.getLogger("pellucid").removeHandler(listening)
    assert said == [], said[:5]
