"""Make the pictures of docs/operations.md and docs/capture.md: python docs/make_pictures/operations.py."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import httpx
import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from pellucid import anatomy

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
FOLDER = Path(__file__).parents[1] / "pictures"
ROWS, COLUMNS, RATE = 480, 640, 15
WAIT_MS = 60_000


def film(path: Path) -> Path:
    """What the camera sees: a walk through the digital head."""
    head = anatomy.brain().property("proton_density").array
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{COLUMNS} H{ROWS} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(0, head.shape[0], 2):
            cut = Image.fromarray(np.clip(255 * head[number], 0, 255).astype(np.uint8)).resize((400, ROWS))
            page = Image.new("RGB", (COLUMNS, ROWS))
            page.paste(cut.convert("RGB"), ((COLUMNS - 400) // 2, 0))
            frame = av.VideoFrame.from_image(page).reformat(format="yuv420p")
            file.write(b"FRAME\n" + frame.to_ndarray().tobytes())
    return path


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A server over an empty archive."""
    command = [sys.executable, "-m", "pellucid.server", "--data", str(folder), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 (this program)
    try:
        assert process.stdout
        found = re.search(r"http://[\d.:]+", process.stdout.readline())
        assert found
        yield found[0]
    finally:
        process.terminate()
        process.wait()


def put(url: str, value: object) -> None:
    """Send JSON."""
    httpx.put(url, json=value, timeout=60).raise_for_status()


def shoot(page: Page, name: str) -> None:
    """A picture of the page."""
    page.wait_for_timeout(800)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(128).save(FOLDER / name, optimize=True)


def capture_picture(page: Page, address: str) -> None:
    """A picture and a recording, of which one is stored."""
    page.goto(f"{address}/capture")
    page.get_by_role("button", name="Camera", exact=True).click()
    page.wait_for_function("() => document.querySelector('.viewfinder video').videoWidth > 0")
    page.fill("#capture-patient_name", "Roe^Richard")
    page.fill("#capture-patient_id", "P42")
    page.wait_for_timeout(2500)
    page.get_by_role("button", name="Take a picture").click()
    page.get_by_role("button", name="Record").click()
    page.wait_for_timeout(2500)
    page.get_by_role("button", name="Stop recording").click()
    page.wait_for_selector(".take video")
    page.get_by_role("button", name="in the archive").click()
    page.wait_for_selector("text=Open the study")
    shoot(page, "capture_page.png")


def admin_picture(page: Page, address: str) -> None:
    """Storage, jobs, partners, rules."""
    put(
        f"{address}/api/admin/entities/CT1",
        {"permissions": ["store"], "addresses": ["10.1.0.0/16"], "description": "CT room 1"},
    )
    put(
        f"{address}/api/admin/entities/READING",
        {
            "host": "10.2.0.7",
            "port": 11112,
            "tls": True,
            "permissions": ["find", "read"],
            "description": "Workstations",
        },
    )
    put(
        f"{address}/api/admin/routes/chest",
        {"destination": "ae:READING", "match": {"Modality": "CT", "StudyDescription": "*chest*"}},
    )
    page.goto(f"{address}/admin")
    page.wait_for_selector("tr[data-row=chest]")
    shoot(page, "admin_page.png")


def main() -> None:
    """Both pages."""
    with (
        TemporaryDirectory() as temporary,
        server(Path(temporary) / "data") as address,
        sync_playwright() as playwright,
    ):
        camera = film(Path(temporary) / "camera.y4m")
        arguments = [
            "--no-sandbox",
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-video-capture={camera}",
        ]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.set_default_timeout(WAIT_MS)
        capture_picture(page, address)
        admin_picture(page, address)
        browser.close()


if __name__ == "__main__":
    main()
