"""Requests that provoke each answer that /api/admin declares."""

import re

from pellucid.dimse.deliveries import Deliveries, enqueue

GIVEN = {"entities": {"permissions": ["find"]}, "routes": {"destination": "ae:OTHER"}}
WRONG = {"entities": {"port": 70000}, "routes": {"destination": "nowhere"}}
UNKNOWN = {"job_id": "0" * 32, "title": "NOBODY", "name": "nothing", "number": "999999"}
UNREADABLE = {"job_id": "x", "title": "x" * 65, "name": "x" * 65, "number": "0"}


def admin_answer(client, method, path, status):
    """The answer to a request below /api/admin that should be answered with `status`."""
    what = path.split("/")[3]
    if status == 403:
        return client.request(method, _at(path, UNKNOWN), headers={"host": "elsewhere.example"})
    if status == 404:
        return client.request(method, _at(path, UNKNOWN))
    if status == 422:
        return client.request(method, _at(path, UNREADABLE), json=WRONG.get(what) if method == "PUT" else None)
    given = GIVEN.get(what) if method == "PUT" else None
    return client.request(method, _at(path, _known(client)), json=given)


def _known(client):
    """Names of things that are there."""
    platform = client.app.state.platform
    for what, name in (("entities", "OTHER"), ("routes", "ct")):
        client.put(f"/api/admin/{what}/{name}", json=GIVEN[what])
    with platform.archive.writing() as session:
        enqueue(session, "store", "ae:OTHER", "1.2.3")
    job = platform.jobs.submit("demo", "Something", lambda _: {})
    number = Deliveries(platform.archive).all()[-1].id
    return {"job_id": job.id, "title": "OTHER", "name": "ct", "number": str(number)}


def _at(path, names):
    return re.sub(r"{(\w+)}", lambda found: names[found[1]], path)
