"""Make the pictures of docs/viewer.md: `make run`, then python docs/make_pictures/viewer.py http://127.0.0.1:8470."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).parents[1] / "pictures"
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
WAIT_MS = 180_000


def shoot(page: Page, name: str) -> None:
    """A picture of the page when it has come to rest."""
    page.wait_for_function("() => !document.querySelector('.viewport[aria-busy=true], .viewport-loading')")
    page.wait_for_timeout(1500)
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(FOLDER / name, optimize=True)


def show(page: Page, title: str) -> None:
    """Show a series by its description and wait for it."""
    page.click(f".strip-button:has(.strip-text:text-is('{title}'))")
    page.wait_for_selector(f"[data-text=series]:has-text('{title}')")


def main(address: str) -> None:
    """Fusion in three planes, and a series beside its new reconstruction."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
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
