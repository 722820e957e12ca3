"""The list of jobs: what waits says for what, what ended is folded away, and the studies stay in sight."""

import json

from .synthetic import marked
from .synthetic import write as write_series

HEIGHT = 800


def job(number: int, state: str, **changes) -> dict[str, object]:
    values = {
        "id": f"{number:032x}",
        "kind": "upload",
        "title": f"Upload of head{number}.zip and 1 more",
        "state": state,
        "fraction": 0.0,
        "message": "",
        "error": "head.dcm: is cut off" if state == "failed" else None,
        "created": f"2026-03-01T10:00:{number:02}.000+00:00",
        "result": None,
    }
    return values | changes


def show(viewer, *jobs: dict[str, object]) -> None:
    """Open the first page with a list of jobs that the server gives."""
    viewer.page.route("**/api/jobs", lambda route: route.fulfill(json={"jobs": list(jobs)}))
    events = {one["id"]: f"data: {json.dumps(one)}\n\n" for one in jobs}
    viewer.page.route(
        "**/api/jobs/*/events",
        lambda route: route.fulfill(body=events[route.request.url.split("/")[-2]], content_type="text/event-stream"),
    )
    viewer.open("/")
    viewer.page.wait_for_selector(".jobs")


def studies_are_in_sight(viewer) -> bool:
    box = viewer.page.locator("section.studies h2").bounding_box()
    return box["y"] + box["height"] < HEIGHT


def test_a_waiting_job_says_for_what(viewer) -> None:
    show(
        viewer,
        job(1, "running", kind="demo", title="Demonstration patient", fraction=0.4, message="MR T1: scan"),
        job(2, "queued", message="waiting for: Demonstration patient"),
    )
    text = viewer.page.inner_text(".job-queued")
    assert "Upload of head2.zip and 1 more" in text
    assert "waiting for: Demonstration patient" in text
    assert viewer.page.locator(".jobs-finished").count() == 0


def test_what_ended_is_folded_away_and_can_be_opened_by_keyboard(viewer) -> None:
    show(viewer, *(job(n, "failed" if n % 3 == 0 else "done") for n in range(1, 41)))
    assert viewer.page.locator(".job").first.is_visible() is False
    assert viewer.page.inner_text(".jobs-finished summary") == "27 done, 13 failed"
    assert studies_are_in_sight(viewer)
    viewer.page.focus(".jobs-finished summary")
    viewer.page.keyboard.press("Enter")
    viewer.page.wait_for_selector(".job-failed .message-error")
    assert studies_are_in_sight(viewer)
    scrolled = "() => { const list = document.querySelector('.jobs-finished ul'); return list.scrollTop }"
    viewer.page.focus(".jobs-finished ul")
    viewer.page.keyboard.press("End")
    viewer.page.wait_for_function(f"() => ({scrolled})() > 100")
    viewer.page.click(".jobs-finished .job >> nth=-1 >> button")
    assert viewer.page.inner_text(".jobs-finished summary") == "26 done, 13 failed"


def test_many_jobs_at_work_leave_the_studies_in_sight(viewer) -> None:
    show(viewer, *(job(n, "queued", message="waiting for: Demonstration patient") for n in range(1, 21)))
    assert viewer.page.locator(".job-queued").count() == 20
    assert studies_are_in_sight(viewer)


def test_an_upload_is_called_by_its_first_file(viewer, tmp_path) -> None:
    files = write_series(marked("axial"), tmp_path, "Named")
    viewer.open("/")
    viewer.add(*files)
    viewer.page.wait_for_selector("a.study-link:text-is('Named')")
    title = f"Upload of {files[0].name} and {len(files) - 1} more"
    viewer.page.wait_for_selector(f".jobs-finished .job-done .job-title:text-is('{title}')", state="attached")
    viewer.page.reload()
    viewer.page.wait_for_selector(f".jobs-finished .job-done .job-title:text-is('{title}')", state="attached")


def test_a_dozen_jobs_at_work_leave_room_for_other_requests(viewer) -> None:
    """A browser opens six connections to a server; the events of a job take one until it ends."""
    busy = [job(n, "running", fraction=0.1) for n in range(1, 13)]
    viewer.page.route("**/api/jobs", lambda route: route.fulfill(json={"jobs": busy}))
    asked = []
    # Never answered, as the events of a job that takes long.
    viewer.page.route("**/api/jobs/*/events", lambda route: asked.append(route.request.url))
    viewer.open("/")
    viewer.page.wait_for_selector("section.studies h2")
    viewer.page.wait_for_function("() => document.querySelectorAll('.job').length === 12")
    viewer.page.wait_for_timeout(500)
    assert 1 <= len(set(asked)) <= 3
    busy[:] = [one | {"state": "done", "fraction": 1.0} for one in busy]
    viewer.page.wait_for_function(
        "() => document.querySelectorAll('.jobs-finished .job').length === 12", timeout=20_000
    )
