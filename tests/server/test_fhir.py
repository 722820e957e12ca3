"""FHIR beside DICOMweb in the running application."""

from tests.archive.samples import dicom, uid


def test_a_stored_study_is_found(client):
    client.post("/dicom-web/studies", content=dicom(), headers={"content-type": "application/dicom"})
    response = client.get("/fhir/ImagingStudy", params={"patient": "P1"})
    assert response.headers["content-type"] == "application/fhir+json"
    assert response.headers["cache-control"] == "no-store"
    (entry,) = response.json()["entry"]
    assert entry["fullUrl"] == f"http://localhost/fhir/ImagingStudy/{uid(1)}"
    endpoint = client.get(f"/fhir/{entry['resource']['endpoint'][0]['reference']}").json()
    assert len(client.get(f"{endpoint['address']}/studies").json()) == 1
