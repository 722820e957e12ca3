"""The storage of a real Orthanc, compressed and not, becomes an archive."""

import json
import subprocess
import time
import urllib.request

import pytest
from tests.archive.postgresql import free_port
from tests.archive.samples import dicom, uid

from pellucid.archive.importing import Importer


@pytest.mark.parametrize("compressed", [False, True])
def test_orthancs_storage_is_imported(archive, tmp_path, program, compressed):
    storage, port = tmp_path / "storage", free_port()
    settings = {
        "StorageDirectory": str(storage),
        "IndexDirectory": str(storage),
        "StorageCompression": compressed,
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "Plugins": [],
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    process = subprocess.Popen(
        [program("Orthanc"), tmp_path / "orthanc.json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        sent = [dicom(study=study, instance=instance) for study in (1, 2) for instance in (1, 2, 3)]
        for data in sent:
            _upload(port, data)
    finally:
        process.terminate()
        process.wait(20)
    outcome = Importer(archive).run(storage)
    assert (outcome.new, outcome.refused) == (6, {})
    assert outcome.others >= 6 * compressed  # beside each image Orthanc keeps it without its pixels
    found = [archive.fetch(record) for study in (1, 2) for record in archive.instances(uid(study))]
    assert found == sent


def _upload(port, data):
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/instances", data, timeout=30).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("Orthanc did not start")
