"""A real server on loopback and a real Chromium; skipped by name where Chromium or the built viewer is absent."""

from __future__ import annotations

import base64
import io
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "src/pellucid/server/static/index.html"

ARGUMENTS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PROGRAMS = ("chromium-headless-shell", "chromium")
"""The first has no windows to make, and starts in a third of the time."""
WAIT_MS = 90_000
"""Software rendering on a busy machine is slow; nothing here is a timing."""


RECONSTRUCTING = {"test_assumed_position.py", "test_drop.py", "test_jobs.py", "test_journeys.py"}
"""Their jobs would compile what other tests are compiling at the start."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder drives a browser; what reconstructs comes last."""
    here = {item for item in items if Path(__file__).parent in item.path.parents}
    for item in here:
        item.add_marker(pytest.mark.browser)
    items.sort(key=lambda item: item in here and item.path.name in RECONSTRUCTING)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A test that failed shows what was on its page and what the server was doing."""
    report = yield
    pages = (value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Viewer))
    viewer = next(pages, None)
    if report.when == "call" and report.failed and viewer is not None:
        report.sections.append(("the page's text", _told(lambda: viewer.page.inner_text("body", timeout=5000))))
        report.sections.append(("the server's jobs", _told(lambda: _answer(f"{viewer.address}/api/jobs"))))
    return report


def _told(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except Exception as error:  # noqa: BLE001 (the test's own failure must be reported whatever else fails)
        return f"nothing: {error}"


def _answer(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return answer.read().decode()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server with an empty archive."""
    if not STATIC.is_file():
        pytest.skip("the viewer is not built (make install builds it)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("browser")
    log = (folder / "server.log").open("w")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "PELLUCID_JOB_WORKERS": "2"}
    command = [sys.executable, "-m", "pellucid.server", "--data", str(folder / "data"), "--port", str(port)]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(address, process, folder / "server.log")
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
        log.close()


@pytest.fixture(scope="session")
def store(server: str) -> Callable[..., None]:
    """Call with files to have them stored, and reconstructed, by the server that all tests share."""

    def upload(*files: Path) -> None:
        sent = [("files", (file.name, file.read_bytes())) for file in files]
        job = httpx.post(f"{server}/api/uploads", files=sent, timeout=60).json()["job"]
        end = time.monotonic() + WAIT_MS / 1000
        while job["state"] in ("queued", "running") and time.monotonic() < end:
            time.sleep(0.1)
            job = httpx.get(f"{server}/api/jobs/{job['id']}").json()
        assert job["state"] == "done", job

    return upload


def _wait_until_up(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
    raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def chromium(program) -> Iterator[object]:
    """A headless Chromium without a graphics card; closed with each module, as its event loop would disturb others."""
    from playwright.sync_api import sync_playwright

    path = program(*PROGRAMS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Viewer:
    """A page of the viewer, with what tests ask of it."""

    page: object
    address: str

    def open(self, path: str) -> None:
        """Go to an address of the viewer."""
        self.page.goto(self.address + path)

    def add(self, *files: Path) -> None:
        """Give files to the study list."""
        self.page.set_input_files("input[data-input=files]", [str(file) for file in files])

    def drop(self, *paths: Path, onto: str = ".drop-zone") -> None:
        """Drag files and folders over an element and drop them there, as from a file manager."""
        box = self.page.locator(onto).bounding_box()
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        data = {"items": [], "files": [str(path.resolve()) for path in paths], "dragOperationsMask": 1}
        browser = self.page.context.new_cdp_session(self.page)
        for what in ("dragEnter", "dragOver", "drop"):
            browser.send("Input.dispatchDragEvent", {"type": what, **place, "data": data})
            if what == "dragOver":
                self.page.wait_for_selector(".drop-over")
        browser.detach()

    def read_study(self, name: str) -> None:
        """Open a patient's study from the list and wait for its first picture."""
        self.page.click(f"a.study-link:text-is('{name}')")
        self.drawn()

    def show(self, series: str) -> None:
        """Show a series of the study, by its description, in the active viewport."""
        self.page.click(f".strip-button:has(.strip-text:text-is('{series}'))")
        self.page.wait_for_selector(f"[data-text=series]:has-text('{series}')")
        self.settled()

    def fuse(self, series: str) -> None:
        """Lay a series over the picture, chosen by a part of its name."""
        option = self.page.locator(f"select[name=overlay] option:has-text('{series}')")
        option.wait_for(state="attached")
        self.page.select_option("select[name=overlay]", value=option.get_attribute("value"))
        self.page.wait_for_selector("select[name=palette]")
        self.settled()

    def reconstruct(self, method: str, **values: str) -> None:
        """Reconstruct the series that is shown again, from its raw-data panel, and wait for both side by side."""
        before = self.page.locator(".strip-button").count()
        if not self.page.locator(".raw-panel").count():
            self.page.click("button:text-is('Raw data')")
        self.page.select_option("select[name=method]", method)
        for name, value in values.items():
            control = self.page.locator(f".parameters [name={name}]")
            if control.evaluate("control => control.tagName") == "SELECT":
                control.select_option(value)
            else:
                control.fill(value)
                control.press("Tab")
        self.page.click("button:text-is('Reconstruct')")
        self.page.wait_for_function(f"() => document.querySelectorAll('.strip-button').length > {before}")
        self.page.wait_for_function("() => document.querySelectorAll('.viewport:not([data-drawn=\"0\"])').length === 2")
        self.settled()

    def compared(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The grey values of the two pictures side by side, which are of one size, slice, place and window."""
        both = self.page.locator(".viewport")
        assert both.count() == 2
        for text in ("slice", "position", "window"):
            left, right = (both.nth(n).locator(f"[data-text={text}]").inner_text() for n in (0, 1))
            assert left == right, f"{text} differs"
        left, right = (self.pixels(both.nth(n).locator("canvas"))[..., 0].astype(float) for n in (0, 1))
        assert left.shape == right.shape
        return left, right

    def drawn(self, plane: str | None = None) -> None:
        """Wait until viewports have drawn at least once."""
        which = f"[data-plane={plane}]" if plane else ""
        self.page.wait_for_selector(f".viewport{which}:not([data-drawn='0'])")
        self.settled()

    def settled(self) -> None:
        """Wait until every viewport shows what was asked of it, and has done so for a moment."""
        still = 0
        end = time.monotonic() + WAIT_MS / 1000
        while still < 3:
            if time.monotonic() > end:
                raise TimeoutError("the viewports never came to rest")
            still = 0 if self.page.query_selector(".viewport[aria-busy=true], .viewport-loading") else still + 1
            self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 30)))")

    def picture(self, plane: str) -> NDArray[np.uint8]:
        """What a viewport shows, `[row, column, RGB]`, without the texts on it."""
        return self.pixels(self.page.locator(f".viewport[data-plane={plane}] canvas").first)

    def pixels(self, canvas) -> NDArray[np.uint8]:
        """A canvas, `[row, column, RGB]`."""
        address = canvas.evaluate("canvas => canvas.toDataURL('image/png')")
        return np.asarray(Picture.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"))

    def hover(self, plane: str, x: float, y: float) -> None:
        """Put the pointer on a place of a viewport, in CSS pixels from its top left corner."""
        box = self.page.locator(f".viewport[data-plane={plane}]").first.bounding_box()
        self.page.mouse.move(box["x"] + x, box["y"] + y)

    def letters(self, plane: str) -> dict[str, str]:
        """The orientation letters at the edges of a viewport."""
        found = self.page.query_selector_all(f".viewport[data-plane={plane}] [data-edge]")
        return {element.get_attribute("data-edge"): element.inner_text() for element in found}

    def text(self, name: str, plane: str | None = None) -> str:
        """One of the texts on a viewport: series, slice, position, window, probe."""
        which = f"[data-plane={plane}]" if plane else ""
        return self.page.inner_text(f".viewport{which} [data-text={name}]")


@pytest.fixture
def viewer(server: str, chromium) -> Iterator[Viewer]:
    """A fresh page of the server that all tests share."""
    with viewer_of(server, chromium) as opened:
        yield opened


@contextmanager
def viewer_of(server: str, chromium) -> Iterator[Viewer]:
    """A fresh page; a script error or a file of the viewer that does not load fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(f"{request.url} failed: {request.failure}"))
    page.on("request", lambda request: _note_outsider(request.url, server, problems))
    yield Viewer(page, server)
    context.close()
    # A page that is left while pictures load ends those requests; that is no error.
    assert [problem for problem in problems if "ERR_ABORTED" not in problem] == []


def _note_outsider(url: str, server: str, problems: list[str]) -> None:
    if not url.startswith((server, "blob:", "data:")):
        problems.append(f"asked for {url}, which is not on the server")
