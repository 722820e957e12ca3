"""`pellucid demo` in a process of its own: the address, the examinations, the end, and the start after that."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

from benchmarks.servers import Pellucid, free_port

READY = "Pellucid is ready: http://127.0.0.1:"
DONE = "Demonstration patient: done"


class Demonstration(Pellucid):
    """Its data are in `folder` and stay there from one start to the next."""

    program: tuple[str, ...] = (str(Path(sys.executable).with_name("pellucid")),)

    def command(self) -> list[str]:
        return [*self.program, "demo", "--data", str(self.folder / "data"), "--port", str(self.port)]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def restart(self) -> None:
        """Start on the same data, at another address."""
        self.port = free_port()
        self.start()

    def interrupt(self) -> int:
        """End it as Ctrl-C does; its exit code."""
        return self.stop(signal.SIGINT)

    def wait_for(self, text: str, seconds: float) -> None:
        """Wait until it has said something."""
        end = time.monotonic() + seconds
        while text not in (said := self.said()):
            if self.exited() or time.monotonic() > end:
                raise RuntimeError(f"{' '.join(self.command())} did not say {text!r}: {said[-2000:]}")
            time.sleep(0.05)

    def series(self) -> list[str]:
        """The description of each series in its archive."""
        connection = self.connect()
        path = f"{self.root}/series?includefield=SeriesDescription"
        connection.request("GET", path, headers={"Accept": "application/dicom+json"})
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        if answer.status not in (200, 204):
            raise RuntimeError(f"{self.address}{path} answers {answer.status}: {body[:500]}")
        found = json.loads(body or "[]")
        return [match["0008103E"]["Value"][0] for match in found]

    def _wait(self) -> None:
        self.wait_for(READY, 60.0)

    def _settle(self) -> None:
        """What it does when it is ready is the demonstration."""
