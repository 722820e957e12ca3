"""Jobs outlive the process that ran them."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from pellucid.server import JobRunner, Platform, Settings
from pellucid.server.job import Job
from pellucid.server.job_memory import INTERRUPTED, JobMemory

RESULT = {"study_instance_uids": ["1.2"], "series_instance_uids": [], "acquisition_ids": []}


def job(number=1, **changes):
    values = {
        "id": f"{number:032x}",
        "kind": "upload",
        "title": "Upload of head.zip",
        "state": "done",
        "fraction": 1.0,
        "message": "Stored",
        "error": None,
        "created": f"2026-03-01T10:00:{number:02}.000+00:00",
        "result": RESULT,
    }
    return Job(**(values | changes))


@pytest.fixture
def memory(tmp_path):
    return JobMemory(tmp_path / "jobs", "process-new", lambda name: name == "process-other")


def test_ended_jobs_come_back_as_they_were(memory):
    jobs = [job(3), job(1, state="failed", error="a.dcm: is cut off", result=None), job(2, state="cancelled")]
    for one in jobs:
        memory.keep(one)
    assert memory.recall() == sorted(jobs, key=lambda one: one.created)
    memory.forget(jobs[0].id)
    assert [one.id for one in memory.recall()] == [jobs[1].id, jobs[2].id]


@pytest.mark.parametrize("state", ["running", "queued"])
def test_jobs_of_a_process_that_died_have_failed(memory, state):
    memory.keep(job(state=state, fraction=0.4, message="Reading", result=None))
    (found,) = memory.recall()
    assert (found.state, found.error, found.message, found.fraction) == ("failed", INTERRUPTED, "", 0.4)
    assert memory.recall() == [found]


def test_jobs_of_another_process_at_work_are_its_own(tmp_path, memory):
    other = JobMemory(tmp_path / "jobs", "process-other", lambda name: True)
    other.keep(job(state="running"))
    other.keep(job(2))
    assert memory.recall() == [job(2)]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"process": "a", "job": {"id": 1}}', b"\xff\xfe"])
def test_what_was_cut_off_is_passed_over(tmp_path, memory, content):
    memory.keep(job(2))
    (tmp_path / "jobs" / f"{1:032x}.json").write_bytes(content)
    assert memory.recall() == [job(2)]


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "jobs").write_text("a file is in the way")
    memory = JobMemory(tmp_path / "jobs", "p", lambda name: False)
    runner = JobRunner(memory=memory)
    runner.start()
    submitted = runner.submit("demo", "", lambda progress: RESULT)
    runner.stop()
    runner.join(5)
    assert runner.get(submitted.id).ended
    assert memory.recall() == []


def test_the_oldest_are_forgotten_on_disk_too(memory, tmp_path):
    for number in range(1, 9):
        memory.keep(job(number))
    runner = JobRunner(history=5, memory=memory)
    assert [one.created[17:19] for one in runner.all()] == ["08", "07", "06", "05", "04"]
    assert len(list((tmp_path / "jobs").iterdir())) == 5


def test_a_stopped_server_remembers_cancelled_jobs(tmp_path):
    settings = Settings(data=tmp_path)
    platform = Platform.open(settings)
    submitted = platform.jobs.submit("demo", "Never begun", lambda progress: RESULT)
    platform.close()
    again = Platform.open(settings)
    found = again.jobs.get(submitted.id)
    assert (found.state, found.title) == ("cancelled", "Never begun")
    assert again.jobs.cancel(submitted.id) == found
    again.close()


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_server_that_was_killed(tmp_path):
    """One job done, one running and one waiting at the moment of death."""
    program = textwrap.dedent(f"""
        import threading
        from pellucid.server import Platform, Settings
        platform = Platform.open(Settings(data={str(tmp_path)!r}))
        platform.start()
        result = dict(study_instance_uids=[], series_instance_uids=[], acquisition_ids=[])
        done = platform.jobs.submit("demo", "First", lambda progress: result)
        while not platform.jobs.get(done.id).ended:
            pass
        running = threading.Event()
        platform.jobs.submit("demo", "Second", lambda progress: running.set() or threading.Event().wait())
        running.wait()
        platform.jobs.submit("demo", "Third", lambda progress: result)
        print("ready", flush=True)
        threading.Event().wait()
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        during = Platform.open(Settings(data=tmp_path))
        assert [one.title for one in during.jobs.all()] == ["First"]
        during.close()
        process.send_signal(signal.SIGKILL)
    after = Platform.open(Settings(data=tmp_path))
    assert [(one.title, one.state, one.error) for one in after.jobs.all()] == [
        ("Third", "failed", INTERRUPTED),
        ("Second", "failed", INTERRUPTED),
        ("First", "done", None),
    ]
    after.close()
