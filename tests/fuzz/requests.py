"""HTTP requests of every kind the server answers, as (method, target, headers, body), and damage to them."""

import json
from dataclasses import dataclass
from urllib.parse import quote

from tests.archive.samples import dicom, uid
from tests.fuzz.mutation import mutated

STUDY = f"/dicom-web/studies/{uid(1)}"
SERIES = f"{STUDY}/series/{uid(1, 1)}"
INSTANCE = f"{SERIES}/instances/{uid(1, 1, 1)}"
TARGET = f"/jpip?target=instances/{uid(1, 1, 1)}"
JSON, DATA = {"content-type": "application/json"}, {"content-type": "application/dicom+json"}
RELATED = {"content-type": 'multipart/related; type="application/dicom"; boundary=bound'}
FORM = {"content-type": "multipart/form-data; boundary=bound"}

PATHS = (
    "/dicom-web/studies?PatientName=Doe*&StudyDate=20260301-20260401&includefield=all&limit=5&offset=1",
    "/dicom-web/studies?00100020=P1&fuzzymatching=true&ModalitiesInStudy=CT%5CMR&StudyTime=-1200",
    f"/dicom-web/series?StudyInstanceUID={uid(1)}&PerformedProcedureStepStartDate=2026&includefield=00081190",
    f"{SERIES}/instances?InstanceNumber=1&RequestAttributesSequence.StudyInstanceUID=1.2&includefield=Rows",
    f"{STUDY}/metadata",
    INSTANCE,
    f"{INSTANCE}/frames/1,2",
    f"{INSTANCE}/rendered?window=40,400,linear&viewport=64,64,0,0,5,5&quality=50",
    f"{INSTANCE}/frames/1/rendered?annotation=patient&iccprofile=no",
    f"{SERIES}/thumbnail?viewport=20,20",
    f"{INSTANCE}/bulkdata/7FE00010",
    f"{INSTANCE}/pixeldata",
    f"/dicom-web/wado?requestType=WADO&studyUID={uid(1)}&seriesUID={uid(1, 1)}&objectUID={uid(1, 1, 1)}"
    "&contentType=image/png&rows=9&columns=9&windowCenter=1&windowWidth=9&region=0,0,1,1&frameNumber=1",
    "/dicom-web/workitems?ProcedureStepState=SCHEDULED&includefield=all",
    f"{TARGET}/frames/1&fsiz=7,5,closest&roff=1,1&rsiz=3,3&layers=2&len=900&type=jpp-stream",
    f"{TARGET}&cnew=http&comps=0-2&stream=0&model=M0,H0,P1-3&quality=40&tid=0&qid=3&wait=yes&align=yes",
    f"/jpip/j2k{TARGET[5:]}&type=raw&metareq=[*]!!&context=jpxl<0-1>&need=M0",
    "/fhir/ImagingStudy?patient=P1&started=ge2026-03-01&_count=3&modality=CT&_include=ImagingStudy:endpoint",
    "/fhir/metadata?_format=json",
    "/api/jobs",
    f"/api/jobs/{'0' * 32}",
    "/api/acquisitions",
    f"/api/acquisitions/{'0' * 32}/signal/0",
    f"/api/series/{uid(1, 1)}/acquisition",
    "/api/captures/worklist?date=20260301",
    "/api/audit?limit=5&after=1&event=x",
    "/api/admin/deliveries?limit=4",
    "/api/admin/overview",
    "/api/openapi.json",
    "/metrics",
    "/health",
)
"""What is asked for with GET."""

ACCEPTS = (
    "*/*",
    'multipart/related; type="application/octet-stream"; transfer-syntax=*',
    'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.201; q=0.7, */*;q=0.1',
    "application/dicom+json",
    'multipart/related; type="application/dicom+xml"',
    "image/jpeg;q=0.8, image/png",
    "image/jphc",
    "text/html",
)
ORDINARY = (
    {},
    {"range": "bytes=0-99,-5"},
    {"if-none-match": '"abc", W/"x"'},
    {"accept-encoding": "gzip;q=0.5, identity;q=0"},
    {"accept-charset": "iso-8859-1"},
    {"content-location": "x", "forwarded": "for=1.2.3.4;host=x"},
    {"authorization": "Bearer abc.def.ghi"},
    {"cookie": 'session="abc"; other=\\054'},
)


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    target: bytes
    headers: tuple
    body: bytes = b""


def multipart(parts, form=False):
    """Parts (headers, body) between boundaries."""
    disposition = b'content-disposition: form-data; name="files"; filename="a.dcm"\r\n' if form else b""
    made = b"".join(b"--bound\r\n" + disposition + head + b"\r\n\r\n" + body + b"\r\n" for head, body in parts)
    return made + b"--bound--\r\n"


def bodies():
    """What is sent: (method, path, headers, body)."""
    head, file = b"content-type: application/dicom", dicom(1, 1, 1)
    item = {
        "00080018": {"vr": "UI", "Value": [uid(5)]},
        "00741200": {"vr": "CS", "Value": ["LOW"]},
        "00741204": {"vr": "LO", "Value": ["x"]},
        "00404041": {"vr": "CS", "Value": ["READY"]},
        "00404005": {"vr": "DT", "Value": ["20260101"]},
    }
    state = {"00741000": {"vr": "CS", "Value": ["IN PROGRESS"]}, "00081195": {"vr": "UI", "Value": ["1.2"]}}
    described = {
        "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.7"]},
        "00080018": {"vr": "UI", "Value": [uid(6, 1, 1)]},
        "0020000D": {"vr": "UI", "Value": [uid(6)]},
        "0020000E": {"vr": "UI", "Value": [uid(6, 1)]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]},
        "00280010": {"vr": "US", "Value": [2]},
        "00280030": {"vr": "DS", "Value": [0.5, 0.5]},
        "00081115": {"vr": "SQ", "Value": [{"0020000E": {"vr": "UI", "Value": ["1.2"]}}]},
        "00091001": {"vr": "OB", "InlineBinary": "AAEC"},
        "7FE00010": {"vr": "OW", "BulkDataURI": "bulk/1"},
    }
    composed = [(b"content-type: application/dicom+json", json.dumps([described]).encode())]
    composed.append((b"content-type: application/octet-stream\r\ncontent-location: bulk/1", bytes(8)))
    metadata = {"content-type": 'multipart/related; type="application/dicom+json"; boundary=bound'}
    route = {"destination": "THERE", "modality": "CT", "priority": 1, "enabled": True}
    made = [
        ("POST", "/dicom-web/studies", RELATED, multipart([(head, file), (head, dicom(2, 1, 1))])),
        ("POST", STUDY, {"content-type": "application/dicom"}, file),
        ("POST", "/dicom-web/studies", metadata, multipart(composed)),
        ("POST", "/dicom-web/studies", DATA, json.dumps([described]).encode()),
        ("POST", "/dicom-web/workitems", DATA, json.dumps([item]).encode()),
        ("POST", f"/dicom-web/workitems/{uid(5)}", DATA, json.dumps([item]).encode()),
        ("PUT", f"/dicom-web/workitems/{uid(5)}/state", DATA, json.dumps([state]).encode()),
        ("POST", f"/dicom-web/workitems/{uid(5)}/cancelrequest", DATA, json.dumps([state]).encode()),
        ("POST", f"/dicom-web/workitems/{uid(5)}/subscribers/ME?deletionlock=true", {}, b""),
        ("POST", "/jpip", {"content-type": "application/x-www-form-urlencoded"}, TARGET[6:].encode() + b"&fsiz=9,9"),
        ("POST", "/fhir/ImagingStudy/_search", {"content-type": "application/x-www-form-urlencoded"}, b"patient=P1"),
        ("POST", f"/api/acquisitions/{'0' * 32}/reconstructions", JSON, b'{"method": "fft", "parameters": {"a": 1}}'),
        ("PUT", "/api/admin/entities/THERE", JSON, b'{"host": "127.0.0.1", "port": 11112, "tls": false}'),
        ("PUT", "/api/admin/routes/all", JSON, json.dumps(route).encode()),
        ("PUT", "/api/accounts/jane", JSON, b'{"password": "x", "role": "viewer", "email": "a@b"}'),
        ("POST", "/api/session", JSON, b'{"name": "jane", "password": "wrong"}'),
        ("POST", "/api/shares", JSON, b'{"study_instance_uid": "1.2", "days": 3}'),
        ("POST", "/api/tokens", JSON, b'{"name": "x", "days": 3}'),
        (
            "POST",
            "/api/captures",
            FORM,
            multipart([(b"content-type: application/json", b'{"patient": {}}')], form=True),
        ),
        ("DELETE", f"/api/admin/routes/{'x' * 9}", {}, b""),
        ("DELETE", f"/dicom-web/studies/{uid(77)}", {}, b""),
    ]
    return [(method, path, headers, body) for method, path, headers, body in made]


def damaged(chance, sent, others):
    """A request with its path, a header or its body damaged, or all of them."""
    if chance.random() < 0.6:
        method, path, body = chance.choice(("GET",) * 8 + ("HEAD", "OPTIONS")), chance.choice(PATHS), b""
        headers = {"accept": chance.choice(ACCEPTS), **chance.choice(ORDINARY)}
    else:
        method, path, headers, body = chance.choice(sent)
        headers = {"accept": "*/*", **headers}
    target = path.encode()
    kind = chance.randrange(4)
    if kind == 0 or not (headers or body):
        # Behind the first name: what the router does not know is not looked at.
        keep = target.find(b"/", 1) + 1
        target = target[:keep] + mutated(target[keep:], chance, [other.encode() for other in PATHS], most=3)
        target = quote(target, safe="/?&=%,;:*+").encode()
    elif body and kind < 3:
        body = mutated(body, chance, others)
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    if kind == 3 or (not body and kind):
        place = chance.randrange(len(pairs))
        name, value = pairs[place]
        clean = mutated(value, chance, [other.encode() for other in ACCEPTS]).translate(None, b"\r\n\0")
        pairs[place] = name, clean
    return Asked(method, target, tuple(pairs), body)
