"""Jobs run in order, report, fail in one line, can be cancelled, and are forgotten one day."""

import gc
import threading
import time
import weakref

import pytest

from pellucid.errors import InvalidInputError
from pellucid.server import JobRunner

RESULT = {"study_instance_uids": [], "series_instance_uids": [], "acquisition_ids": []}


@pytest.fixture
def runner():
    made = JobRunner(history=5)
    made.start()
    yield made
    made.stop()
    made.join(5)


def wait(runner, job, *states):
    for _ in range(500):
        now = runner.get(job.id)
        if now.state in (states or ("done", "failed", "cancelled")):
            return now
        time.sleep(0.01)
    raise AssertionError(now)


def test_work_that_succeeds(runner):
    def work(progress):
        progress(0.5, "half")
        return RESULT

    job = runner.submit("demo", "A job", work)
    assert (job.state, job.fraction, job.kind, job.title) == ("queued", 0.0, "demo", "A job")
    done = wait(runner, job)
    assert (done.state, done.fraction, done.message, done.error, done.result) == ("done", 1.0, "half", None, RESULT)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (InvalidInputError("is broken\nin two lines", file="a.dat"), "a.dat: is broken in two lines"),
        (MemoryError(), "there is not enough memory for this"),
        (ValueError("Doe^Jane"), "internal error (ValueError)"),
    ],
)
def test_work_that_fails_says_why_in_one_line(runner, caplog, error, text):
    def work(progress):
        raise error

    job = wait(runner, runner.submit("upload", "", work))
    assert (job.state, job.error, job.result) == ("failed", text, None)
    assert "Doe" not in caplog.text
    assert wait(runner, runner.submit("upload", "", lambda progress: RESULT)).state == "done"


def test_cancelling_stops_at_the_next_report(runner):
    running, cleaned = threading.Event(), threading.Event()

    def work(progress):
        running.set()
        while True:
            progress(0.1)
            time.sleep(0.005)

    job = runner.submit("reconstruction", "", work, cleanup=cleaned.set)
    assert running.wait(5)
    assert runner.get(job.id).state == "running"
    runner.cancel(job.id)
    assert wait(runner, job).state == "cancelled"
    assert cleaned.is_set()
    assert runner.cancel(job.id).state == "cancelled"


def test_a_waiting_job_is_cancelled_at_once(runner):
    release, cleaned, ran = threading.Event(), threading.Event(), threading.Event()
    first = runner.submit("demo", "", lambda progress: release.wait(5) and RESULT)
    second = runner.submit("demo", "", lambda progress: ran.set() or RESULT, cleanup=cleaned.set)
    assert runner.cancel(second.id).state == "cancelled"
    assert cleaned.is_set()
    release.set()
    assert wait(runner, first).state == "done"
    third = runner.submit("demo", "", lambda progress: RESULT)
    assert wait(runner, third).state == "done"
    assert not ran.is_set()


def test_the_fraction_never_falls(runner):
    seen = []

    def work(progress):
        for fraction in (0.2, 0.6, 0.4, 7.0):
            progress(fraction)
            seen.append(runner.all()[0].fraction)
        return RESULT

    wait(runner, runner.submit("demo", "", work))
    assert seen == [0.2, 0.6, 0.6, 1.0]


def test_history_is_bounded_and_newest_first(runner):
    jobs = [wait(runner, runner.submit("demo", str(n), lambda progress: RESULT)) for n in range(9)]
    titles = [job.title for job in runner.all()]
    assert titles == ["8", "7", "6", "5", "4", "3"]
    assert runner.get(jobs[0].id) is None
    assert runner.cancel(jobs[0].id) is None


def test_a_cleanup_that_fails_does_not_end_the_worker(runner):
    def cleanup():
        raise OSError

    assert wait(runner, runner.submit("demo", "", lambda progress: RESULT, cleanup=cleanup)).state == "done"
    assert wait(runner, runner.submit("demo", "", lambda progress: RESULT)).state == "done"


def test_an_ended_job_holds_no_data(runner):
    class Signal:
        pass

    def work_on(signal):
        return lambda progress: RESULT if signal else None

    signal = Signal()
    gone = weakref.ref(signal)
    wait(runner, runner.submit("demo", "", work_on(signal)))
    del signal
    for _ in range(100):
        gc.collect()
        if gone() is None:
            return
        time.sleep(0.01)
    raise AssertionError("still held")


def test_after_stop_nothing_is_taken(runner):
    runner.stop()
    cleaned = threading.Event()
    with pytest.raises(InvalidInputError, match="stopping"):
        runner.submit("demo", "", lambda progress: RESULT, cleanup=cleaned.set)
    assert cleaned.is_set()


@pytest.fixture
def held(runner):
    """A long job at work, and the event that lets it end."""
    release, running = threading.Event(), threading.Event()
    job = runner.submit("demo", "Long one", lambda progress: running.set() or (release.wait(10) and RESULT))
    assert running.wait(5)
    yield job, release
    release.set()


def test_a_short_job_runs_beside_a_long_one(runner, held):
    job = runner.submit("upload", "Quick", lambda progress: RESULT, takes_long=lambda progress: False)
    assert wait(runner, job).state == "done"
    assert runner.get(held[0].id).state == "running"


def test_a_job_that_turns_out_long_waits_its_turn(runner, held):
    looked, cleaned = threading.Event(), threading.Event()
    job = runner.submit(
        "upload",
        "Raw",
        lambda progress: RESULT,
        takes_long=lambda progress: looked.set() or True,
        cleanup=cleaned.set,
    )
    assert looked.wait(5)
    waiting = wait(runner, job, "queued")
    assert not cleaned.is_set()
    assert waiting.state == "queued"
    # Another short one passes it.
    assert wait(runner, runner.submit("upload", "", lambda p: RESULT, takes_long=lambda p: False)).state == "done"
    held[1].set()
    assert wait(runner, job).state == "done"
    assert cleaned.is_set()


def test_what_turns_out_long_can_be_cancelled_while_it_looks(runner, held):
    looking, go, cleaned = threading.Event(), threading.Event(), threading.Event()
    job = runner.submit(
        "upload",
        "",
        lambda progress: RESULT,
        takes_long=lambda progress: looking.set() or go.wait(5),
        cleanup=cleaned.set,
    )
    assert looking.wait(5)
    runner.cancel(job.id)
    go.set()
    assert wait(runner, job).state == "cancelled"
    assert cleaned.is_set()
    assert runner.get(held[0].id).state == "running"


def test_a_failure_while_looking_is_the_jobs(runner):
    def broken(progress):
        raise InvalidInputError("is broken", file="a.zip")

    job = wait(runner, runner.submit("upload", "", lambda progress: RESULT, takes_long=broken))
    assert (job.state, job.error) == ("failed", "a.zip: is broken")


def test_a_waiting_job_says_for_what(runner, held):
    first = runner.submit("reconstruction", "First", lambda progress: RESULT)
    second = runner.submit("reconstruction", "Second", lambda progress: RESULT)
    assert first.message == "waiting for: Long one"
    assert second.message == "waiting for: Long one and 1 more"
    assert [job.message for job in runner.all()] == [second.message, first.message, ""]
    held[1].set()
    assert wait(runner, second).message == ""
