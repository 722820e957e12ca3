"""`pellucid serve` in processes of its own, to be stopped, killed, and measured."""

import http.client
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from contextlib import closing
from pathlib import Path

from tests.fuzz.watching import resident_mb

SERVE = "import sys; from pellucid.cli import main; main()"
READY = re.compile(r"http://127\.0\.0\.1:(\d+)(?:, DICOM \w+ at 127\.0\.0\.1:(\d+))?")


class Server:
    """A server on free ports of loopback, its data below `folder`; `environment`: more settings."""

    def __init__(self, folder, **environment):
        self.data = folder / "data"
        command = [sys.executable, "-c", SERVE, "serve", "--data", str(self.data), "--port", "0", "--dimse-port", "0"]
        with (folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=folder,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        line = self.process.stdout.readline()
        found = READY.search(line)
        assert found, (line, (folder / "server.log").read_text()[-2000:])
        self.port, self.dimse_port = int(found[1]), int(found[2])

    def processes(self):
        """Its process and those that it started."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        children = [pid for task in tasks for pid in (task / "children").read_text().split()]
        return [str(self.process.pid), *children]

    def peak_mb(self):
        """The most memory that any of them has had [MB]."""
        return max(resident_mb(pid, "VmHWM") for pid in self.processes())

    def resident_mb(self):
        """What all have now [MB]."""
        return sum(map(resident_mb, self.processes()))

    def request(self, method, path, body=None, accept="*/*", **headers):
        """The status and the content of an answer."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as link:
            link.request(method, path, body, headers={"Accept": accept, **headers})
            answer = link.getresponse()
            return answer.status, answer.read()

    def stow(self, files):
        """Store files in one request."""
        boundary = uuid.uuid4().hex
        parts = b"".join(
            b"--%s\r\nContent-Type: application/dicom\r\n\r\n%s\r\n" % (boundary.encode(), f) for f in files
        )
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        body = parts + f"--{boundary}--\r\n".encode()
        return self.request("POST", "/dicom-web/studies", body, "application/dicom+json", **{"Content-Type": kind})

    def stop(self):
        """End it in good order; what does not end within a minute is killed."""
        self.process.terminate()
        try:
            self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self, *, alone=False):
        """SIGKILL it and all that it started, or it alone, which the others see and follow."""
        children = self.processes()[1:]
        if alone:
            self.process.kill()
        else:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate(timeout=60)
        until = time.monotonic() + 60
        while any(_runs(pid) for pid in children):
            assert time.monotonic() < until, "a process outlives the server"
            time.sleep(0.05)


def _runs(pid):
    """Whether there is such a process, and it is no corpse that nobody has buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
