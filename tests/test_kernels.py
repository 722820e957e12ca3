"""How many threads the kernels use, and that several Python threads may run them at once."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pellucid.operators import FiniteDifference


@pytest.mark.parametrize(
    ("given", "expected"),
    [({"PELLUCID_THREADS": "1"}, 1), ({"PELLUCID_THREADS": "3", "NUMBA_NUM_THREADS": "2"}, 2)],
)
def test_the_number_of_threads_is_that_asked_for(given, expected):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_NUM", "PELLUCID"))}
    script = "from pellucid.kernels import thread_count; print(thread_count())"
    done = subprocess.run(
        [sys.executable, "-c", script], env={**kept, **given}, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == expected


def test_kernels_may_run_in_several_threads_at_once():
    # Two reconstructions in the server: some threading layers abort the process here.
    operator = FiniteDifference((64, 300), dtype=np.float64)
    x = np.random.default_rng(0).standard_normal((64, 300))
    expected = operator(x)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: operator(x), range(200)))
    assert all(np.array_equal(result, expected) for result in results)
