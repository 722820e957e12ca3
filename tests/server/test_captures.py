"""Recordings sent by HTTP become series of the archive, of the patient that was chosen."""

import json
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from tests.archive.samples import dicom, uid
from tests.capture.videos import colour, field_of, number_of, uneven, write

from pellucid.dimse.deliveries import Deliveries
from pellucid.dimse.worklist import Worklist

PATIENT = {"patient_id": "P9", "patient_name": "Roe^Richard", "patient_sex": "M"}


@pytest.fixture
def send(client):
    """Call with what is wanted and a recording; the answer."""

    def make(recording, name="recording.webm", **wanted):
        files = [("files", ("capture.json", json.dumps(wanted))), ("files", (name, recording))]
        return client.post("/api/captures", files=files)

    return make


@pytest.fixture
def recording(tmp_path):
    return write(tmp_path / "a.webm", "libvpx", times=uneven(12), crf=4, b="4M").read_bytes()


@pytest.fixture
def scheduled(platform):
    item = {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Poe^Edgar"}]},
        "00100020": {"vr": "LO", "Value": ["P3"]},
        "00080050": {"vr": "SH", "Value": ["ACC3"]},
        "0020000D": {"vr": "UI", "Value": ["1.2.3.4"]},
        "00400100": {
            "vr": "SQ",
            "Value": [
                {
                    "00080060": {"vr": "CS", "Value": ["ES"]},
                    "00400002": {"vr": "DA", "Value": ["20260401"]},
                    "00400007": {"vr": "LO", "Value": ["Colonoscopy"]},
                }
            ],
        },
    }
    return Worklist(platform.archive).add(item)


def stored(client, job):
    """The metadata of the only instance of a job."""
    (study,) = job["result"]["study_instance_uids"]
    (series,) = job["result"]["series_instance_uids"]
    (made,) = client.get(f"/dicom-web/studies/{study}/series/{series}/metadata").json()
    return study, made


def test_a_recording_becomes_a_series(client, platform, send, recording, ended):
    job = ended(send(recording, kind="sc", patient=PATIENT, series_description="Camera"))
    assert job["state"] == "done", job["error"]
    assert job["kind"] == "capture"
    study, made = stored(client, job)
    assert made["00100020"]["Value"] == ["P9"]
    assert made["0008103E"]["Value"] == ["Camera"]
    (record,) = platform.archive.instances(study)
    frames = np.frombuffer(platform.archive.fetch(record)[record.pixel_offset :][: record.pixel_length], np.uint8)
    frames = frames.reshape(12, 120, 160, 3)
    assert [number_of(frame) for frame in frames] == list(range(12))
    for number, frame in enumerate(frames):
        np.testing.assert_allclose(field_of(frame), colour(number), atol=6)
    assert [p.name for p in platform.archive.incoming.iterdir()] == ["lock"]


def test_a_scheduled_step_is_reported_where_somebody_is_to_be_told(platform, send, recording, scheduled, ended):
    platform.settings = platform.settings.model_copy(update={"procedure_steps_to": "RIS"})
    assert ended(send(recording, kind="video", view="endoscopic", worklist="ACC3"))["state"] == "done"
    assert ended(send(b"no video", kind="video", worklist="ACC3"))["state"] == "failed"
    told = Deliveries(platform.archive).all()
    assert [one.kind for one in told] == ["begin_step", "end_step"] * 2
    ends = [one.payload["attributes"]["00400252"]["Value"] for one in told if one.kind == "end_step"]
    assert ends == [["COMPLETED"], ["DISCONTINUED"]]
    assert {one.destination for one in told} == {"ae:RIS"}


def test_a_folder_that_cannot_be_removed_changes_no_report(platform, send, recording, scheduled, ended, monkeypatch):
    platform.settings = platform.settings.model_copy(update={"procedure_steps_to": "RIS"})

    class Stuck(TemporaryDirectory):
        def __exit__(self, *error):
            super().__exit__(*error)
            raise OSError("busy")

    monkeypatch.setattr("pellucid.server.captures.TemporaryDirectory", Stuck)
    assert ended(send(recording, kind="video", view="endoscopic", worklist="ACC3"))["state"] == "failed"
    end = Deliveries(platform.archive).all()[1]
    assert end.payload["attributes"]["00400252"]["Value"] == ["COMPLETED"]


def test_as_a_video(client, send, recording, ended):
    job = ended(send(recording, kind="video", view="endoscopic", patient=PATIENT))
    _, made = stored(client, job)
    assert made["00080016"]["Value"] == ["1.2.840.10008.5.1.4.1.1.77.1.1.1"]


def test_of_a_worklist_item(client, send, recording, ended, scheduled):
    (item,) = client.get("/api/captures/worklist").json()["items"]
    assert (item["id"], item["patient_name"], item["accession_number"]) == (scheduled, "Poe^Edgar", "ACC3")
    assert (item["description"], item["modality"], item["date"]) == ("Colonoscopy", "ES", "20260401")
    study, made = stored(client, ended(send(recording, worklist=scheduled)))
    assert study == "1.2.3.4"
    assert made["00100010"]["Value"] == [{"Alphabetic": "Poe^Edgar"}]


def test_of_a_study_that_is_there(client, platform, send, recording, ended):
    platform.archive.store(dicom(series=4))
    study, made = stored(client, ended(send(recording, study=uid(1))))
    assert study == uid(1)
    assert made["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}]
    assert made["00200011"]["Value"] == [5]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({}, "needs one of patient, worklist and study; got none"),
        ({"patient": PATIENT, "study": "1.2"}, "got patient, study"),
        ({"study": "1.2.3"}, "study: is not in the archive"),
        ({"worklist": "nothing"}, "worklist: 'nothing' is on no open item"),
        ({"patient": PATIENT, "kind": "ct"}, "kind: Input should be"),
        ({"patient": PATIENT, "crop": "all"}, "crop: is 'all'; expected WIDTHxHEIGHT"),
        ({"patient": {"patient_sex": "X"}}, "PatientSex: is 'X'"),
        ({"patient": PATIENT, "frames": 3}, "frames: Extra inputs"),
    ],
)
def test_requests_that_cannot_be_used(send, recording, wanted, said, is_empty):
    answer = send(recording, **wanted)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    is_empty()


def test_a_recording_that_is_no_video(send, ended, is_empty):
    job = ended(send(b"no video", patient=PATIENT))
    assert job["state"] == "failed"
    assert job["error"] == "the recording: cannot be opened as video (Invalid data found when processing input)"
    is_empty()


def test_something_else_than_two_files(client):
    for files in ([("files", ("a.webm", b"x"))], [("files", ("capture.json", b"{}"))] * 2):
        assert client.post("/api/captures", files=files).status_code == 422
