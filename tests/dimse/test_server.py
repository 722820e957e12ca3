"""The listener as the server runs it: in its own processes, through the command line."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.archive.samples import dicom, uid

from pellucid.access import Permission
from pellucid.archive import Archive
from pellucid.dimse.conformance import statement
from pellucid.dimse.partners import ApplicationEntity, Partners
from pellucid.dimse.server import DimseServer, DimseSettings
from pellucid.errors import InvalidInputError


@pytest.mark.parametrize("processes", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_processes_share_the_port_and_the_archive(archive, run, tmp_path, processes):
    server = DimseServer(archive, DimseSettings(port=0, processes=processes)).start()
    port = server.port
    try:
        for number in range(1, 5):
            (tmp_path / f"{number}.dcm").write_bytes(dicom(1, 1, number))
            run("storescu", "-aec", "PELLUCID", "127.0.0.1", port, tmp_path / f"{number}.dcm")
        assert len(archive.instances(uid(1))) == 4
    finally:
        server.close()
    run("echoscu", "-aec", "PELLUCID", "127.0.0.1", port, succeeds=False)


def test_beyond_loopback_only_with_rules(archive):
    with pytest.raises(InvalidInputError, match="no application entity may call"):
        DimseServer(archive, DimseSettings(host="0.0.0.0", port=0))
    Partners(archive).put(ApplicationEntity(title="CT1", permissions=frozenset({Permission.STORE})))
    server = DimseServer(archive, DimseSettings(host="0.0.0.0", port=0))
    server.close()


def test_a_port_in_use(archive):
    first = DimseServer(archive, DimseSettings(port=0, processes=0))
    with pytest.raises(InvalidInputError, match="cannot be listened on"):
        DimseServer(archive, DimseSettings(port=first.port))
    first.close()


@pytest.mark.slow
def test_pellucid_serve(run, tmp_path):
    data = tmp_path / "data"
    program = "from pellucid.cli import main; main()"
    options = ["--data", str(data), "--port", "0", "--dimse-port", "0", "--aet", "ARCHIVE"]
    process = subprocess.Popen([sys.executable, "-c", program, "serve", *options], stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        port = re.search(r"DICOM ARCHIVE at 127\.0\.0\.1:(\d+)", line)[1]
        (tmp_path / "a.dcm").write_bytes(dicom())
        run("storescu", "-aec", "ARCHIVE", "127.0.0.1", port, tmp_path / "a.dcm")
    finally:
        before = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stdout.close()
    assert time.monotonic() - before < 15
    with Archive(data) as archive:
        assert len(archive.instances(uid(1))) == 1


def test_the_statement_names_what_is_there():
    text = statement()
    for needed in ("CT Image Storage", "C-MOVE", "High-Throughput JPEG 2000", "N-EVENT-REPORT", "A700", "TLS 1.2"):
        assert needed in text


def test_the_written_statement_is_the_programs():
    written = Path(__file__).parents[2] / "docs" / "conformance.md"
    assert written.read_text().strip() == statement().strip(), "pellucid conformance > docs/conformance.md"
