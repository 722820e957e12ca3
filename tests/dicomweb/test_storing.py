"""STOW-RS as PS3.18 section 10.5 says."""

import numpy as np
import pytest
from tests.archive.samples import CT_STORAGE, dicom, uid

from pellucid.archive import Query


@pytest.fixture(autouse=True)
def emptied(archive):
    yield
    for match in archive.find(Query("study")):
        archive.delete(match.study_instance_uid)
    assert list(archive.objects.names()) == []
    assert [p.name for p in archive.incoming.iterdir()] == ["lock"]


def body(*parts, content_type="application/dicom", boundary="B0"):
    head = f"--{boundary}\r\nContent-Type: {content_type}\r\n\r\n".encode()
    return b"".join(head + part + b"\r\n" for part in parts) + f"--{boundary}--".encode()


def post(client, content, path="studies", content_type='multipart/related; type="application/dicom"; boundary=B0'):
    return client.post(path, content=content, headers={"content-type": content_type})


def reasons(response, sequence="00081198"):
    return [item["00081197"]["Value"][0] for item in response.json()[sequence]["Value"]]


def test_everything_stored(client, archive):
    response = post(client, body(dicom(1, 1, 1), dicom(1, 1, 2)))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/dicom+json"
    result = response.json()
    assert result["00081190"]["Value"] == [f"http://localhost/dicom-web/studies/{uid(1)}"]
    first = result["00081199"]["Value"][0]
    assert first["00081150"] == {"vr": "UI", "Value": [CT_STORAGE]}
    assert first["00081155"] == {"vr": "UI", "Value": [uid(1, 1, 1)]}
    url = first["00081190"]["Value"][0]
    assert client.get(url, headers={"accept": "application/dicom"}).content == dicom(1, 1, 1)
    assert "00081198" not in result


def test_storing_again_is_no_failure(client):
    post(client, body(dicom()))
    assert post(client, body(dicom())).status_code == 200


def test_part_of_it_stored(client, archive):
    response = post(client, body(dicom(1, 1, 1), b"broken", dicom(1, 1, 2)))
    assert response.status_code == 202
    assert len(response.json()["00081199"]["Value"]) == 2
    assert reasons(response, "0008119A") == [0xC000]
    assert "no DICM mark" in response.headers["warning"]
    assert len(archive.find(Query("instance"))) == 2


def test_nothing_stored(client):
    post(client, body(dicom()))
    response = post(client, body(dicom(PatientID="P2"), dicom(2, SeriesInstanceUID=uid(1, 1))))
    assert response.status_code == 409
    assert reasons(response) == [0x0111, 0xA900]
    assert response.json()["00081198"]["Value"][0]["00081155"]["Value"] == [uid(1, 1, 1)]


def test_into_one_study(client):
    path = f"studies/{uid(1)}"
    response = post(client, body(dicom(1), dicom(2)), path)
    assert response.status_code == 202
    assert reasons(response) == [0xA900]
    assert post(client, body(dicom(2)), path).status_code == 409


def test_one_object_without_multipart(client):
    assert post(client, dicom(), content_type="application/dicom").status_code == 200
    assert post(client, b"", content_type="application/dicom").status_code == 409


def test_a_quoted_and_odd_boundary(client):
    boundary = "a b=c:d'()+_,-./?"
    content_type = f'multipart/related; type="application/dicom"; boundary="{boundary}"'
    assert post(client, b"\r\n" + body(dicom(), boundary=boundary), content_type=content_type).status_code == 200


def test_a_body_that_arrives_in_pieces(client):
    data = body(dicom(), dicom(instance=2))
    pieces = (data[at : at + 7] for at in range(0, len(data), 7))
    assert post(client, pieces).status_code == 200


@pytest.mark.parametrize(
    ("content", "content_type", "status", "detail"),
    [
        (b"", "multipart/related; boundary=B0", 400, "ends before"),
        (b"--B0--", "multipart/related; boundary=B0", 400, ""),
        (body(dicom())[:-20], "multipart/related; boundary=B0", 400, "ends before its closing boundary"),
        (body(dicom(), boundary="XX"), "multipart/related; boundary=B0", 400, "not a multipart message"),
        (body(dicom()), "multipart/related", 400, "boundary is missing"),
        (body(dicom()), "multipart/related; boundary=" + "B" * 400, 400, ""),
        (b"{}", "application/json", 415, "expected multipart/related"),
        (b"{", "application/dicom+json", 400, "the metadata are not JSON"),
        (b"[" * 100_000, "application/dicom+json", 400, "the metadata are not JSON"),
        (b"[1]", "application/dicom+json", 400, "not an array of DICOM JSON objects"),
        (b"<x/>", "application/dicom+xml", 400, "expected NativeDicomModel"),
        (b"x", "", 415, "is missing"),
        (body(b"{}", content_type="text/plain"), "multipart/related; boundary=B0", 415, "a part is"),
        (body(*[dicom()] * 11), "multipart/related; boundary=B0", 413, "more than 10 parts"),
        (body(bytes(200_001)), "multipart/related; boundary=B0", 413, "part 1 is larger than 200000"),
        (body(*[bytes(150_000)] * 4), "multipart/related; boundary=B0", 413, "larger than 500000"),
        (bytes(200_001), "application/dicom", 413, "larger than 200000"),
    ],
)
def test_requests_that_are_refused(client, content, content_type, status, detail):
    response = post(client, content, content_type=content_type)
    assert response.status_code == status, response.text
    assert detail in response.json()["detail"]


def test_many_requests_at_once(client, archive):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(6) as pool:
        work = [pool.submit(post, client, body(dicom(1, n % 2 + 1, n), dicom(1, 1, 99))) for n in range(1, 13)]
        assert {item.result().status_code for item in work} == {200}
    assert len(archive.find(Query("instance"))) == 13


def test_a_long_series_is_quick_to_describe(client):
    """130 slices: the answer takes what the index gives, no pixel is read (CPU time; the machine may be busy)."""
    import time

    slices = [dicom(1, 1, n, pixels=np.zeros((8, 8), np.int16)) for n in range(1, 131)]
    for at in range(0, 130, 10):
        post(client, body(*slices[at : at + 10]))
    path = f"studies/{uid(1)}/series/{uid(1, 1)}/metadata"
    assert len(client.get(path).json()) == 130
    before = time.process_time()
    client.get(path)
    assert time.process_time() - before < 0.15


def test_two_objects_of_one_uid_in_one_request(client, archive):
    """Whichever comes first stays; the other is refused, and all others are stored."""
    others = [dicom(1, 2, n) for n in range(1, 8)]
    response = post(client, body(dicom(), *others, dicom(PatientComments="other")))
    assert response.status_code == 202
    (failed,) = response.json()["00081198"]["Value"]
    assert failed["00081155"]["Value"] == [uid(1, 1, 1)]
    assert failed["00081197"]["Value"] == [0x0111]
    assert len(response.json()["00081199"]["Value"]) == 8
    assert len(archive.find(Query("instance"))) == 8
