"""The loop that drives a solver: progress, previews, cancellation, refusal of what is not finite."""

import numpy as np
import pytest

from pellucid.errors import CancelledError, InvalidInputError
from pellucid.solvers import State, last


def counting(iterations, value=1.0):
    for iteration in range(1, iterations + 1):
        yield State(iteration, np.full(3, value * iteration), 0.0)


def test_gives_the_last_x_and_reports_every_iteration():
    reports = []
    x = last(
        counting(4),
        progress=lambda fraction, message="", preview=None: reports.append((fraction, message)),
        total=4,
        message="fit",
    )
    assert np.array_equal(x, np.full(3, 4.0))
    assert reports == [(0.25, "fit"), (0.5, "fit"), (0.75, "fit"), (1.0, "fit")]


def test_previews_are_made_for_those_who_look_and_not_too_often():
    made, seen = [], []

    def preview(x):
        made.append(x)
        return "picture"

    last(counting(50), total=50, preview=preview)
    assert made == []
    last(
        counting(50),
        progress=lambda fraction, message="", preview=None: seen.append(preview),
        total=50,
        preview=preview,
    )
    assert seen[0] == "picture"
    assert len(made) < 50


def test_raising_in_progress_stops_the_work():
    begun = []

    def states():
        for state in counting(10):
            begun.append(state.iteration)
            yield state

    def progress(fraction, message="", preview=None):
        if fraction >= 0.3:
            raise CancelledError("stop")

    with pytest.raises(CancelledError):
        last(states(), progress=progress, total=10)
    assert begun == [1, 2, 3]


def test_what_is_not_finite_is_refused():
    with pytest.raises(InvalidInputError, match="finite"):
        last(counting(2, np.nan), total=2)


def test_no_iteration_is_refused():
    with pytest.raises(InvalidInputError, match="iterations"):
        last(iter(()), total=0)
