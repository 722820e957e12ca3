"""Requests that provoke every answer that the OpenAPI description declares."""

import json
import re
from pathlib import Path
from urllib.parse import quote

from tests.archive.samples import dicom, uid
from tests.server.admin_requests import admin_answer

from pellucid.dicomweb.multipart import MultipartReader

UNKNOWN = "0" * 32
DICOM = {"content-type": "application/dicom"}
DATA = {"content-type": "application/dicom+json"}


class Requests:
    """Requests that provoke each declared answer, over an archive with one signal, its series and a job."""

    def __init__(self, client, monkeypatch, job):
        self.client = client
        self.monkeypatch = monkeypatch
        (acquisition,) = job["result"]["acquisition_ids"]
        (study,) = job["result"]["study_instance_uids"]
        (series,) = job["result"]["series_instance_uids"]
        (instance, *_) = client.get(f"/dicom-web/studies/{study}/series/{series}/instances").json()
        self.known = {
            "job_id": job["id"],
            "acquisition_id": acquisition,
            "series_uid": series,
            "number": "0",
            "study": study,
            "series": series,
            "instance": instance["00080018"]["Value"][0],
            "frames": "1",
            "path": "7FE00010",
        }
        self.fresh = iter(range(10, 1000))

    def answer(self, method, path, status):
        """The answer to a request that should be answered with `status`; None where no such request is known."""
        kind = "post" if method == "POST" else "search" if self.is_search(path) else "get"
        if path.startswith("/dicom-web") and (method == "DELETE" or path.endswith("/wado")):
            kind = "wado" if path.endswith("/wado") else "delete"
        if path.startswith("/api/admin"):
            return admin_answer(self.client, method, path, status)
        if "workitem" in path or "/subscribers/" in path:
            return self.work_item_answer(method, path, status)
        make = getattr(self, f"{kind}_{status}", None) or getattr(self, f"any_{status}", None)
        if kind == "post":
            name = path.rpartition("/")[2] if path.startswith("/api") else "store"
            make = getattr(self, f"{name}_{status}", None) or getattr(self, f"any_{status}", None)
        return make and make(method, path)

    @staticmethod
    def is_search(path):
        return path.startswith("/dicom-web") and path.rpartition("/")[2] in ("studies", "series", "instances")

    def at(self, path, **others):
        return re.sub(r"{(\w+)}", lambda found: quote({**self.known, **others}[found[1]]), path)

    def send(self, method, path, **more):
        return self.client.request(method, path, **more)

    def any_200(self, method, path):
        return self.send(method, self.at(path))

    def any_202(self, method, path):
        return self.send(method, self.at(path))

    def any_403(self, method, path):
        return self.send(method, self.at(path), headers={"host": "elsewhere.example"})

    def any_404(self, method, path):
        names = ("job_id", "acquisition_id", "series_uid", "study")
        unknown = dict.fromkeys(names, UNKNOWN) | {"series_uid": "1.2.3"}
        return self.send(method, self.at(path, **unknown), json={"method": "fft"} if method == "POST" else None)

    def any_422(self, method, path):
        return self.send(method, self.at(path, job_id="x", acquisition_id="x", series_uid="x"))

    def search_204(self, method, path):
        return self.send(method, self.at(path, study="1.2.3", series="1.2.3"), params={"PatientID": "nobody"})

    def search_400(self, method, path):
        return self.send(method, self.at(path), params={"limit": "many"})

    def get_400(self, method, path):
        return self.send(method, self.at(path), headers={"accept": "nonsense"})

    def accepting_one(self, path):
        kinds = {"rendered": "image/jpeg", "thumbnail": "image/jpeg", "metadata": "application/dicom+json"}
        default = "application/dicom" if path.endswith("{instance}") else "application/octet-stream"
        return {"accept": kinds.get(path.rpartition("/")[2], default)}

    def get_206(self, method, path):
        return self.send(method, self.at(path), headers={**self.accepting_one(path), "range": "bytes=0-1"})

    def get_304(self, method, path):
        tag = self.send(method, self.at(path), headers=self.accepting_one(path)).headers["etag"]
        return self.send(method, self.at(path), headers={**self.accepting_one(path), "if-none-match": tag})

    def get_416(self, method, path):
        return self.send(method, self.at(path), headers={**self.accepting_one(path), "range": "bytes=999999999-"})

    def search_406(self, method, path):
        return self.get_406(method, path)

    def get_406(self, method, path):
        return self.send(method, self.at(path), headers={"accept": "text/nothing"})

    def get_503(self, method, path):
        self.monkeypatch.setattr("pellucid.server.jobs._MAXIMUM_QUEUED", 0)
        answer = self.send(method, path)
        self.monkeypatch.undo()
        return answer

    # Deleting, and one object by query parameters

    def delete_204(self, method, path):
        number = next(self.fresh)
        self.store("/dicom-web/studies", dicom(77, 1, number), study=uid(77))
        place = {"study": uid(77), "series": uid(77, 1), "instance": uid(77, 1, number)}
        return self.send(method, self.at(path, **place))

    def wado(self, headers=None, **parameters):
        names = {"studyUID": "study", "seriesUID": "series", "objectUID": "instance"}
        asked = {"requestType": "WADO", **{name: self.known[word] for name, word in names.items()}, **parameters}
        return self.send("GET", "/dicom-web/wado", params=asked, headers=headers)

    def wado_200(self, method, path):
        return self.wado()

    def wado_206(self, method, path):
        return self.wado(headers={"range": "bytes=0-1"})

    def wado_304(self, method, path):
        return self.wado(headers={"if-none-match": self.wado().headers["etag"]})

    def wado_400(self, method, path):
        return self.wado(rows="many")

    def wado_404(self, method, path):
        return self.wado(objectUID="1.2.3")

    def wado_406(self, method, path):
        return self.wado(contentType="text/html")

    def wado_416(self, method, path):
        return self.wado(headers={"range": "bytes=999999999-"})

    # Work items

    def work_item(self):
        texts = {"00741200": "LOW", "00741204": "x", "00404041": "READY", "00404005": "20260101"}
        kinds = {"00741200": "CS", "00741204": "LO", "00404041": "CS", "00404005": "DT"}
        item = {tag: {"vr": kinds[tag], "Value": [text]} for tag, text in texts.items()}
        item["00080018"] = {"vr": "UI", "Value": [uid(next(self.fresh))]}
        return item

    def work_item_answer(self, method, path, status):
        """To a request about a new work item, which has a subscriber."""
        item = self.work_item()
        self.client.post("/dicom-web/workitems", json=item, headers=DATA)
        known, subscriber = item["00080018"]["Value"][0], f"S{next(self.fresh)}"
        self.client.post(f"/dicom-web/workitems/{known}/subscribers/{subscriber}")
        if path.endswith("suspend"):
            known = "1.2.840.10008.5.1.4.34.5"
            self.client.post(f"/dicom-web/workitems/{known}/subscribers/{subscriber}")
        body = [{"00741000": {"vr": "CS", "Value": ["IN PROGRESS"]}, "00081195": {"vr": "UI", "Value": ["1.2"]}}]
        if path.endswith("{workitem}"):
            body = [{"00741204": {"vr": "LO", "Value": ["y"]}}]
        elif path.endswith("workitems"):
            body = item if status == 409 else self.work_item()
        if status == 204:
            subscriber, asked = "NOBODY", {"PatientID": "nobody"}
        else:
            asked = {400: {"limit": "x", "deletionlock": "x", "after": "x"}}.get(status, {})
        if status == 409 and not path.endswith("workitems"):
            known = known if path.endswith("state") else self.completed()
            body = [{**body[0], "00741000": {"vr": "CS", "Value": ["COMPLETED"]}}] if path.endswith("state") else body
        kind = {415: "text/plain"}.get(status, "application/dicom+json")
        headers = {"content-type": kind, **({"accept": "text/nothing"} if status == 406 else {})}
        if status == 400:
            body, headers["accept"] = [{"x": 1}], "nonsense"
            subscriber = "X" * 20 if method == "DELETE" or path.endswith("suspend") else subscriber
        content = b" " * (5 << 20) if status == 413 else json.dumps(body).encode()
        if status == 403:
            headers["host"] = "elsewhere.example"
        if status == 404:
            known, subscriber = known if path.endswith("suspend") else "1.2.3", "NOBODY"
        place = self.at(path, workitem=known, subscriber=subscriber)
        reading = method in ("GET", "DELETE")
        return self.send(method, place, params=asked, headers=headers, content=None if reading else content)

    def completed(self):
        """A work item that has been done."""
        item = self.work_item()
        place = f"/dicom-web/workitems/{item['00080018']['Value'][0]}"
        code = {"vr": "SQ", "Value": [{"00080104": {"vr": "LO", "Value": ["x"]}}]}
        time = {"vr": "DT", "Value": ["20260101"]}
        done = {"00404028": code, "00404019": code, "00404050": time, "00404051": time, "00404033": {"vr": "SQ"}}
        item["00741216"] = {"vr": "SQ", "Value": [done]}
        self.client.post("/dicom-web/workitems", json=item, headers=DATA)
        for state in ("IN PROGRESS", "COMPLETED"):
            asked = {"00741000": {"vr": "CS", "Value": [state]}, "00081195": {"vr": "UI", "Value": ["1.2"]}}
            self.client.put(f"{place}/state", json=[asked], headers=DATA)
        return place.rpartition("/")[2]

    # Storing

    def store(self, path, *objects, study=None):
        files = [("file", (None, data, "application/dicom")) for data in objects]
        body = self.client.build_request("POST", "/", files=files)
        kind = body.headers["content-type"].replace("form-data", 'related; type="application/dicom"')
        return self.send(
            "POST", self.at(path, study=study or uid(1)), content=body.read(), headers={"content-type": kind}
        )

    def new(self):
        return dicom(instance=next(self.fresh))

    def store_200(self, method, path):
        return self.store(path, self.new())

    def store_202(self, method, path):
        return self.store(path, self.new(), b"no DICOM")

    def store_409(self, method, path):
        return self.store(path, b"no DICOM")

    def store_400(self, method, path):
        return self.send(method, self.at(path), headers={"content-type": "multipart/related"})

    def store_406(self, method, path):
        return self.get_406(method, path)

    def store_413(self, method, path):
        return self.store(path, bytes(2_100_000))

    def store_415(self, method, path):
        return self.send(method, self.at(path), headers={"content-type": "text/plain"})

    def store_507(self, method, path):
        self.fill_the_disk()
        answer = self.store(path, bytes(1_000_000))
        self.monkeypatch.undo()
        return answer

    def fill_the_disk(self):
        begins = MultipartReader._part_begins

        def full(reader):
            begins(reader)
            reader._file.close()
            reader._file = Path("/dev/full").open("wb")  # noqa: SIM115 (the reader closes it)

        self.monkeypatch.setattr(MultipartReader, "_part_begins", full)

    # An upload

    def upload(self, data):
        return self.client.post("/api/uploads", files={"files": ("a.dcm", data)})

    def uploads_202(self, method, path):
        return self.upload(self.new())

    def uploads_400(self, method, path):
        return self.send(method, path, headers={"content-type": "multipart/form-data"})

    def uploads_413(self, method, path):
        return self.upload(bytes(2_100_000))

    def uploads_415(self, method, path):
        return self.send(method, path, json={})

    def uploads_422(self, method, path):
        self.monkeypatch.setattr("pellucid.server.jobs._MAXIMUM_QUEUED", 0)
        answer = self.upload(self.new())
        self.monkeypatch.undo()
        return answer

    def uploads_507(self, method, path):
        self.fill_the_disk()
        answer = self.upload(self.new())
        self.monkeypatch.undo()
        return answer

    # A capture

    def capture(self, recording, wanted):
        files = [("files", ("capture.json", wanted)), ("files", ("a.webm", recording))]
        return self.client.post("/api/captures", files=files)

    def captures_202(self, method, path):
        return self.capture(b"no video", '{"patient": {"patient_id": "P1"}}')

    def captures_422(self, method, path):
        return self.capture(b"no video", "{}")

    captures_400 = uploads_400
    captures_415 = uploads_415

    def captures_413(self, method, path):
        return self.capture(bytes(2_100_000), "{}")

    def captures_507(self, method, path):
        self.fill_the_disk()
        answer = self.capture(b"no video", "{}")
        self.monkeypatch.undo()
        return answer

    # A new reconstruction

    def reconstructions_202(self, method, path):
        return self.send(method, self.at(path), json={"method": "fft"})

    def reconstructions_400(self, method, path):
        return self.send(method, self.at(path), content=b"\xff", headers={"content-type": "application/json"})

    def reconstructions_413(self, method, path):
        return self.send(method, self.at(path), json={"method": " " * (1 << 20)})

    def reconstructions_422(self, method, path):
        return self.send(method, self.at(path), json={"method": "nonsense"})
