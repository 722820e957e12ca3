"""Uploads, and what became of them."""

import time


def upload(client, name, data):
    """Send one file by the viewer's door, and wait for its job; what that says."""
    assert client.post("/api/uploads", files={"files": (name, data)}).status_code == 202
    while any(job["state"] in ("queued", "running") for job in client.get("/api/jobs").json()["jobs"]):
        time.sleep(0.02)
    return client.get("/api/jobs").json()["jobs"][0]


def failed_job(client, data, name="a.zip"):
    """The error of an upload that must fail."""
    job = upload(client, name, data)
    assert job["state"] == "failed", job
    return job["error"]
