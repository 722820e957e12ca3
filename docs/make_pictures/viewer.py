"""Make the pictures of docs/viewer.md: `make run`, then python docs/make_pictures/viewer.py http://127.0.0.1:8470."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
FOLDER = Path(__file__).parents[1] / "pictures"
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
WAIT_MS = 180_000
TUMOUR_LPS_MM = (30.0, -22.0, 30.0)
T1_EXTENT_MM = (208.0, 248.0, 234.0)
MARGIN = 1.04
"""The fitted picture leaves 2 % free on each side of its longer edge."""
PLANES = {"coronal": ((0, 1.0), (2, -1.0)), "axial": ((0, 1.0), (1, 1.0)), "sagittal": ((1, 1.0), (2, -1.0))}
"""Patient axis and sign along the columns and the rows of a picture."""


def shoot(page: Page, name: str) -> None:
    """A picture of the page when it has come to rest."""
    page.wait_for_function("() => !document.querySelector('.viewport[aria-busy=true], .viewport-loading')")
    page.wait_for_timeout(1500)
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(FOLDER / name, optimize=True)


def show(page: Page, title: str) -> None:
    """Show a series by its description and wait for it."""
    page.click(f".strip-button:has(.strip-text:text-is('{title}'))")
    page.wait_for_selector(f"[data-text=series]:has-text('{title}')")


def middle_lps_mm(page: Page) -> list[float]:
    """Where the crosshair is, as the three pictures say it: "axial H 12.5 mm"."""
    found = []
    for plane in ("sagittal", "coronal", "axial"):
        _, letter, distance, _ = page.inner_text(f".viewport[data-plane={plane}] [data-text=position]").split()
        found.append(float(distance) * (1 if letter in "LPH" else -1))
    return found


def point_at(page: Page, place_lps_mm: tuple[float, ...]) -> None:
    """Put the crosshair of a fitted T1 on a place: it is in the volume's middle at first."""
    middle = middle_lps_mm(page)
    for plane in ("coronal", "axial"):
        box = page.locator(f".viewport[data-plane={plane}]").bounding_box() or {}
        size = (box["width"], box["height"])
        axes = PLANES[plane]
        mm_per_pixel = MARGIN * max(T1_EXTENT_MM[axis] / length for (axis, _), length in zip(axes, size, strict=True))
        x, y = (
            length / 2 + sign * (place_lps_mm[axis] - middle[axis]) / mm_per_pixel
            for (axis, sign), length in zip(axes, size, strict=True)
        )
        page.click(f".viewport[data-plane={plane}]", position={"x": x, "y": y})


def window_for_brain(page: Page) -> None:
    """From fluid to white matter of a T1, under a fused picture too: the middle of the window it opens with."""
    width = float(page.input_value("input[aria-label='Window width']").replace(",", ""))
    for label, share in (("Window width", 0.42), ("Window centre", 0.43)):
        page.fill(f"input[aria-label='{label}']", str(round(share * width)))
        page.keyboard.press("Tab")


def main(address: str) -> None:
    """Fusion in three planes, and a series beside its new reconstruction."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(WAIT_MS)
        page.goto(address)
        page.click("a.study-link >> nth=0")
        show(page, "MR T1")
        page.click("button:text-is('Three planes')")
        option = page.locator("select[name=overlay] option:has-text('PET FDG')")
        option.wait_for(state="attached")
        page.select_option("select[name=overlay]", value=option.get_attribute("value"))
        page.wait_for_selector("select[name=palette]")
        window_for_brain(page)
        page.fill("input[aria-label='Opacity of the fused picture']", "0.4")
        point_at(page, TUMOUR_LPS_MM)
        shoot(page, "viewer_fusion.png")
        page.select_option("select[name=overlay]", value="")
        page.click("button:text-is('Single')")
        show(page, "MR T2")
        page.click("button:text-is('Raw data')")
        page.wait_for_selector("select[name=method]")
        page.select_option("select[name=method]", "fft")
        page.fill("input[name=undersampling]", "2")
        page.keyboard.press("Tab")
        page.click("button:text-is('Reconstruct')")
        page.wait_for_selector(".viewports-compare .viewport:nth-child(2):not([data-drawn='0'])")
        shoot(page, "viewer_raw_data.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
