"""Storing decodes nothing: whatever compressed frames hold, no codec is loaded and no decoder is started."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODECS = ("imagecodecs", "openjpeg", "libjpeg", "rle", "jpeg_ls", "gdcm", "av", "pylibjpeg")
PROGRAM = """
import json, subprocess, sys
from pathlib import Path
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from tests.archive.raw_dicom import IMPLICIT, UNDEFINED, element, identified
from pellucid import dicomweb
from pellucid.archive import Archive, Query
from pellucid.codecs.table import CODECS
from pellucid.dimse.file_format import data_set_start

SHAPE = {0x02: 1, 0x10: 5, 0x11: 7, 0x100: 8, 0x101: 8, 0x102: 7, 0x103: 0}
before, started = set(sys.modules), []
start = subprocess.Popen.__init__
def noted(self, *given, **more):
    started.append(str(given[:1]))
    start(self, *given, **more)
subprocess.Popen.__init__ = noted

def garbage(number, syntax):
    shape = b"".join(element(0x00280000 + tag, "US", bytes((value, 0))) for tag, value in SHAPE.items())
    frame = element(0xFFFEE000, "", b"", IMPLICIT) + element(0xFFFEE000, "", bytes(range(200)), IMPLICIT)
    pixels = element(0x7FE00010, "OB", frame + element(0xFFFEE0DD, "", b"", IMPLICIT), length=UNDEFINED)
    return identified(b"", shape + pixels, syntax, instance=number)

with Archive(Path(sys.argv[1])) as archive:
    app = Starlette(routes=[Mount("/dicom-web", routes=dicomweb.routes(archive))])
    with TestClient(app, base_url="http://localhost") as client:
        for number, syntax in enumerate(CODECS):
            data = garbage(3 * number + 1, syntax)
            archive.store(data)
            data = garbage(3 * number + 2, syntax)
            archive.store_received(data[data_set_start(data):], file_meta=data[:data_set_start(data)])
            sent = {"content": garbage(3 * number + 3, syntax), "headers": {"content-type": "application/dicom"}}
            assert client.post("/dicom-web/studies", **sent).status_code == 200
        stored = len(archive.find(Query("instance")))
        at_ingest = {"started": list(started), "loaded": sorted(set(sys.modules) - before)}
        found = client.get("/dicom-web/studies/1.2.3/series/1.2.3.1/instances/1.2.3.1.1/rendered")
    print(json.dumps({**at_ingest, "stored": stored, "kinds": len(CODECS), "rendered": found.status_code,
                      "later": started}))
"""


def test_storing_garbage_starts_no_decoder(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["stored"] == 3 * found["kinds"]
    assert found["started"] == []
    # pydicom's own import has loaded openjpeg and jpeg_ls before anything came; nothing is loaded for what comes.
    assert {name.partition(".")[0] for name in found["loaded"]} & set(CODECS) == set()
    # The same process does start one when it is asked for a picture, and that says that there is none.
    assert found["rendered"] == 406
    assert len(found["later"]) == 1
