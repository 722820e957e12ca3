"""Uploads: what is understood is stored; what is broken or hostile leaves nothing behind."""

import io
import threading
import time
import zipfile
from dataclasses import replace

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from tests.archive.samples import dataset, dicom, file_bytes, uid

from pellucid import container
from pellucid.archive import Query


def zipped(files, **options):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def test_dicom_is_stored_as_received(client, platform, upload):
    job = upload(("a.dcm", dicom(1, 1, 1)), ("b.dcm", dicom(1, 2, 1)))
    assert job["state"] == "done", job
    assert (job["kind"], job["title"], job["fraction"]) == ("upload", "Upload of a.dcm and 1 more", 1.0)
    assert job["result"] == {
        "study_instance_uids": [uid(1)],
        "series_instance_uids": [uid(1, 1), uid(1, 2)],
        "acquisition_ids": [],
    }
    assert [platform.archive.fetch(r) for r in platform.archive.instances(uid(1))] == [dicom(1, 1, 1), dicom(1, 2, 1)]
    assert [p.name for p in platform.archive.incoming.iterdir()] == ["lock"]


def headless(made, syntax, *, keep_meta=False):
    data = file_bytes(made, syntax)
    return data[132 if keep_meta else 144 + int.from_bytes(data[140:144], "little") :]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("keep_meta", [False, True])
def test_old_dicom_without_its_file_header(platform, upload, syntax, keep_meta):
    job = upload(("IM1", headless(dataset(), syntax, keep_meta=keep_meta)))
    assert job["state"] == "done", job
    (record,) = platform.archive.instances(uid(1))
    assert record.transfer_syntax_uid == syntax
    stored = pydicom.dcmread(io.BytesIO(platform.archive.fetch(record)))
    np.testing.assert_array_equal(stored.pixel_array, np.arange(1, 36).reshape(5, 7))
    assert stored.PatientName == "Doe^Jane"


def test_zips_and_what_media_carry_beside_images(platform, upload):
    inner = zipped({"deep/c.dcm": dicom(1, 1, 3)})
    outer = zipped(
        {
            "a/IM1": dicom(1, 1, 1),
            "b/IM1": dicom(1, 1, 2),
            "more.zip": inner,
            "DICOMDIR": b"index",
            "__MACOSX/._IM1": b"junk",
            ".DS_Store": b"junk",
            "README.txt": b"hello",
        }
    )
    job = upload(("study.zip", outer))
    assert job["state"] == "done", job
    assert job["message"] == "Stored; no images or signals by themselves: README.txt"
    assert len(platform.archive.find(Query("instance"))) == 3


def test_a_signal_is_kept_and_reconstructed(client, platform, upload, raw_bytes, picture):
    job = upload(("scan.pellucid.h5", raw_bytes))
    assert job["state"] == "done", job
    (acquisition_id,) = job["result"]["acquisition_ids"]
    (series,) = job["result"]["series_instance_uids"]
    assert client.get(f"/api/series/{series}/acquisition").json()["acquisition_id"] == acquisition_id
    (study,) = job["result"]["study_instance_uids"]
    records = platform.archive.instances(study)
    assert len(records) == 3
    metadata = client.get(f"/dicom-web/studies/{study}/metadata").json()
    for item, record, truth in zip(metadata, records, picture, strict=True):
        frame = client.get(
            f"/dicom-web/studies/{study}/series/{series}/instances/{record.sop_instance_uid}/frames/1",
            headers={"accept": "application/octet-stream"},
        )
        stored = np.frombuffer(frame.content, np.int16 if item["00280103"]["Value"][0] else np.uint16)
        slope, intercept = (item.get(tag, {"Value": [v]})["Value"][0] for tag, v in (("00281053", 1), ("00281052", 0)))
        values = (stored * slope + intercept).reshape(truth.shape)
        # The method's scale is its own; the picture must be the truth's, the same way round.
        np.testing.assert_allclose(values / values.mean(), truth / truth.mean(), rtol=2e-3)
    assert metadata[0]["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}]


def test_an_image_of_another_format(platform, upload, tmp_path):
    nibabel.save(
        nibabel.Nifti1Image(np.ones((5, 6, 7), np.int16), np.diag([2.0, 2.0, 3.0, 1.0])), tmp_path / "x.nii.gz"
    )
    job = upload(("x.nii.gz", (tmp_path / "x.nii.gz").read_bytes()))
    assert job["state"] == "done", job
    assert len(platform.archive.find(Query("instance"))) >= 1


def test_signal_and_images_together(upload, raw_bytes):
    job = upload(("scan.pellucid.h5", raw_bytes), ("a.dcm", dicom()))
    assert job["state"] == "done", job
    assert len(job["result"]["study_instance_uids"]) == 2


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([("notes.txt", b"hello")], "notes.txt: is in no known format"),
        ([("good.dcm", dicom()), ("bad.dcm", dicom()[:600])], "bad.dcm: ends at byte 600"),
        ([("good.dcm", dicom()), ("scan.pellucid.h5", b"\x89HDF\r\n\x1a\n and no more")], "scan.pellucid.h5: "),
        ([("good.dcm", dicom()), ("other.dcm", dicom(PatientID="2"))], "other.dcm: SOPInstanceUID: another object"),
        ([("empty.dcm", b"")], "empty.dcm: is empty"),
        ([("old.dcm", headless(dataset(), ImplicitVRLittleEndian)[:50])], "old.dcm: begins like DICOM"),
        ([("old.dcm", headless(dataset(), ImplicitVRLittleEndian)[:-2])], "old.dcm: ends at byte"),
        ([("a.zip", b"PK\x03\x04 no zip")], "a.zip: cannot be expanded as a zip file"),
        ([("a.zip", zipped({"x/bad.dcm": dicom()[:600]}))], "a.zip.content/x/bad.dcm: ends at byte 600"),
        ([("a.zip", zipped({}))], "upload: holds no files"),
        ([("a.zip", zipped({f"{n}": b"" for n in range(40)}))], "a.zip: holds 40 files; up to 30 are accepted"),
        ([("bomb.zip", zipped({"0": bytes(30_000_000)}))], "bomb.zip: expands to more than is accepted"),
    ],
)
def test_what_is_broken_fails_in_one_line_and_leaves_nothing(upload, is_empty, files, words):
    job = upload(*files)
    assert job["state"] == "failed"
    assert job["error"].startswith(words), job["error"]
    assert "\n" not in job["error"]
    assert "incoming" not in job["error"]
    assert job["result"] is None
    is_empty()


def test_a_bomb_within_the_size_limit_is_known_by_its_ratio(client, settings, tmp_path):
    from pellucid.errors import InvalidInputError
    from pellucid.progress import no_progress
    from pellucid.server.uploads import UploadLimits, process

    folder = tmp_path / "upload"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "bomb.zip").write_bytes(zipped({"0": bytes(80 << 20)}))
    limits = UploadLimits(total_bytes=1 << 30, files=10)
    with pytest.raises(InvalidInputError, match=r"^bomb.zip: expands to more than is accepted"):
        process(client.app.state.platform, folder, limits, no_progress)


def test_nested_zips_end_somewhere(upload, is_empty):
    content = zipped({"a.dcm": dicom()})
    for _ in range(5):
        content = zipped({"inner.zip": content})
    job = upload(("outer.zip", content))
    assert job["error"] == "upload: holds zip files within zip files more than 3 deep"
    is_empty()


@pytest.mark.parametrize(
    "name",
    [
        "../../../escaped.dcm",
        "/etc/escaped.dcm",
        "C:\\escaped.dcm",
        "..\\..\\escaped.dcm",
        "a/../../b.dcm",
        " .. / .. / .. /escaped.dcm",
    ],
)
def test_names_never_lead_out(platform, upload, tmp_path, name):
    job = upload((name, dicom(1, 1, 1)), ("z.zip", zipped({name: dicom(1, 1, 2)})))
    assert job["state"] == "done", job
    assert not list(tmp_path.rglob("*escaped*"))
    assert len(platform.archive.find(Query("instance"))) == 2


@pytest.mark.parametrize("letter", ["漢", "é", "a"])
def test_long_names_are_cut_to_what_file_systems_allow(platform, upload, letter):
    name = f"{letter * 200}/{letter * 300}.dcm"
    job = upload((name, dicom(1, 1, 1)), (name, dicom(1, 1, 2)), ("z.zip", zipped({name: dicom(1, 1, 3)})))
    assert job["state"] == "done", job
    assert len(platform.archive.find(Query("instance"))) == 3


def test_a_name_may_be_a_file_and_a_folder(platform, upload):
    files = {"a": dicom(1, 1, 1), "a/b": dicom(1, 1, 2), "a/c": dicom(1, 1, 3)}
    more = {"b/a": dicom(1, 1, 4), "b": dicom(1, 1, 5), "z.zip.content": dicom(1, 1, 6)}
    job = upload(*files.items(), *more.items(), ("z.zip", zipped({"a": dicom(1, 1, 7), "a/b": dicom(1, 1, 8)})))
    assert job["state"] == "done", job
    assert len(platform.archive.find(Query("instance"))) == 8


def test_files_of_one_name_do_not_replace_each_other(platform, upload):
    assert upload(("IM1", dicom(1, 1, 1)), ("IM1", dicom(1, 1, 2)))["state"] == "done"
    assert len(platform.archive.find(Query("instance"))) == 2


@pytest.mark.parametrize(
    ("content", "content_type", "status", "detail"),
    [
        (b"x", "application/octet-stream", 415, "expected multipart/form-data"),
        (b"--B--\r\n", "multipart/form-data; boundary=B", 400, ""),
        (
            b'--B\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nxyz',
            "multipart/form-data; boundary=B",
            400,
            "ends before",
        ),
        (
            b'--B\r\nContent-Disposition: form-data; name="note"\r\n\r\nxyz\r\n--B--',
            "multipart/form-data; boundary=B",
            400,
            "files: is missing",
        ),
        (
            b'--B\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
            + bytes(2_000_001)
            + b"\r\n--B--",
            "multipart/form-data; boundary=B",
            413,
            "2000000",
        ),
    ],
)
def test_requests_that_are_refused(client, is_empty, content, content_type, status, detail):
    response = client.post("/api/uploads", content=content, headers={"content-type": content_type})
    assert response.status_code == status
    assert detail in response.json()["detail"]
    is_empty()


def test_too_many_files(client, is_empty):
    response = client.post("/api/uploads", files=[("files", (f"{n}", b"x")) for n in range(31)])
    assert response.status_code == 413
    is_empty()


def test_cancelling_leaves_nothing(client, platform, upload, raw_bytes, is_empty, monkeypatch):
    """Cancelled within the reconstruction, after the signal was read and the images of the upload were taken."""
    import pellucid.server.uploads as module

    def slow(raw, *, progress):
        (job,) = platform.jobs.all()
        client.delete(f"/api/jobs/{job.id}")
        progress(0.5, "Iteration 3")
        raise AssertionError("not cancelled")

    monkeypatch.setattr(module, "reconstruct", slow)
    job = upload(("scan.pellucid.h5", raw_bytes), ("a.dcm", dicom()))
    assert (job["state"], job["result"]) == ("cancelled", None)
    is_empty()


def test_a_signal_whose_image_cannot_be_stored_is_named(upload, raw, tmp_path, is_empty):
    """The message of whatever comes after reading names the file too."""
    container.write(replace(raw, attributes={"PatientName": "Someone^Else"}), tmp_path / "a.pellucid.h5")
    job = upload(("a.pellucid.h5", (tmp_path / "a.pellucid.h5").read_bytes()))
    assert job["state"] == "failed"
    assert job["error"].startswith("a.pellucid.h5: PatientName: ")
    is_empty()


@pytest.fixture
def long_job(platform):
    """A demonstration at work, that goes on until it is told to end."""
    release, running = threading.Event(), threading.Event()
    nothing = {"study_instance_uids": [], "series_instance_uids": [], "acquisition_ids": []}
    job = platform.jobs.submit(
        "demo", "Demonstration patient", lambda progress: running.set() or (release.wait() and nothing)
    )
    assert running.wait(5)
    yield job
    release.set()


def test_dicom_does_not_wait_for_a_long_job(platform, upload, long_job):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        target.writestr("a/1.dcm", dicom(1, 1, 1))
    assert upload(("head.zip", packed.getvalue()), ("b.dcm", dicom(1, 2, 1)))["state"] == "done"
    assert platform.jobs.get(long_job.id).state == "running"
    assert len(platform.archive.find(Query("instance"))) == 2


def test_a_signal_waits_for_a_long_job_and_says_so(client, platform, raw_bytes, upload, long_job):
    job = client.post("/api/uploads", files=[("files", ("scan.pellucid.h5", raw_bytes))]).json()["job"]
    assert job["title"] == "Upload of scan.pellucid.h5"
    for _ in range(500):
        now = client.get(f"/api/jobs/{job['id']}").json()
        if now["message"].startswith("waiting"):
            break
        time.sleep(0.01)
    assert (now["state"], now["message"]) == ("queued", "waiting for: Demonstration patient")
    # What comes after it and is quick passes it.
    assert upload(("b.dcm", dicom(1, 2, 1)))["state"] == "done"
    assert platform.archive.acquisitions() == []
    client.delete(f"/api/jobs/{job['id']}")
    assert client.get(f"/api/jobs/{job['id']}").json()["state"] == "cancelled"


def test_a_broken_zip_does_not_wait_to_say_so(upload, long_job):
    job = upload(("head.zip", b"PK\x03\x04 and no more"))
    assert job["state"] == "failed"
    assert job["error"].startswith("head.zip: cannot be expanded")
