"""Mouse, keyboard and controls do what they say, alone and in linked viewports."""

import io

import numpy as np
import pytest
from PIL import Image as Picture

from .conftest import viewer_of
from .synthetic import marked, write, write_pet_and_ct


@pytest.fixture(scope="module")
def patient(store, tmp_path_factory) -> str:
    """A study with one marked CT series; the patient's name."""
    name = "Tools"
    store(*write(marked("axial"), tmp_path_factory.mktemp("tools"), name))
    return name


@pytest.fixture
def reading(viewer, patient):
    """The reading room of the marked series."""
    viewer.open("/")
    viewer.read_study(patient)
    return viewer


@pytest.fixture(scope="module")
def room(server, chromium, patient):
    """One page for the tests of the single viewport."""
    with viewer_of(server, chromium) as viewer:
        viewer.open("/")
        viewer.read_study(patient)
        yield viewer


@pytest.fixture
def single(room):
    """The middle slice in the window, size and place that it was opened with."""
    yield room
    room.page.keyboard.press("r")
    room.page.keyboard.press("Home")
    room.page.keyboard.press("PageDown")
    room.page.keyboard.press("ArrowDown")
    room.page.keyboard.press("ArrowDown")
    room.settled()
    assert room.text("slice") == "13 / 25"


def drag(viewer, start: tuple[int, int], end: tuple[int, int], button: str = "left") -> None:
    """Drag over the first viewport, by places in pixels from its top left corner."""
    viewer.hover("acquired", *start)
    viewer.page.mouse.down(button=button)
    viewer.hover("acquired", *end)
    viewer.page.mouse.up(button=button)
    viewer.settled()


def marker(picture: np.ndarray) -> tuple[np.ndarray, float]:
    """Middle (column, row) and area of the bright marker in pixels."""
    rows, columns = np.nonzero(picture[..., 0] > 100)
    return np.array([columns.mean(), rows.mean()]), float(rows.size)


def test_window_by_drag_numbers_and_presets(single) -> None:
    page = single.page
    assert single.text("window") == "C 350  W 1100 HU"
    drag(single, (300, 300), (360, 300))
    # 60 pixels to the right widen by 60/300 of the width and leave the centre.
    assert single.text("window") == "C 350  W 1320 HU"
    drag(single, (300, 300), (300, 270))
    assert single.text("window") == "C 218  W 1320 HU"
    page.select_option("select[name=preset]", "Bone")
    assert single.text("window") == "C 400  W 1800 HU"
    page.fill("input[aria-label='Window width']", "500")
    page.keyboard.press("Enter")
    assert single.text("window") == "C 400  W 500 HU"
    page.fill("input[aria-label='Window width']", "none")
    page.keyboard.press("Enter")
    assert page.input_value("input[aria-label='Window width']") == "500"
    page.keyboard.press("r")
    assert single.text("window") == "C 350  W 1100 HU"


def test_brightness_follows_the_window_and_inversion(single) -> None:
    """600 HU in a window from −200 to 900: 800/1100 of full brightness; inverted: the rest."""
    grey = single.picture("acquired")[..., 0]
    assert grey.max() == pytest.approx(255 * 800 / 1100, abs=2)
    assert grey.min() == 0
    single.page.keyboard.press("i")
    single.settled()
    inverted = single.picture("acquired")[..., 0]
    middle = inverted.shape[0] // 2, inverted.shape[1] // 2
    assert inverted[middle] == 255
    assert inverted[grey == grey.max()].mean() == pytest.approx(255 * 300 / 1100, abs=3)


def test_pan_and_zoom_keep_what_is_under_the_pointer(single) -> None:
    before, area = marker(single.picture("acquired"))
    drag(single, (200, 200), (240, 170), button="middle")
    moved, same = marker(single.picture("acquired"))
    assert moved - before == pytest.approx([40, -30], abs=1)
    assert same == pytest.approx(area, rel=0.02)
    start = (int(moved[0]), int(moved[1]))
    drag(single, start, (start[0], start[1] - 60), button="right")
    # 120 pixels up would double the size: 60 make it larger by the square root of two, in area by two.
    zoomed, larger = marker(single.picture("acquired"))
    assert larger == pytest.approx(2 * area, rel=0.05)
    assert zoomed == pytest.approx(moved, abs=2)
    single.page.keyboard.press("r")
    single.settled()
    assert marker(single.picture("acquired"))[0] == pytest.approx(before, abs=1)


def test_wheel_and_keys_scroll_to_the_ends(single) -> None:
    single.hover("acquired", 300, 300)
    single.page.mouse.wheel(0, 100)
    assert single.text("slice") == "14 / 25"
    single.page.keyboard.press("PageUp")
    assert single.text("slice") == "4 / 25"
    single.page.keyboard.press("Home")
    single.page.keyboard.press("ArrowUp")
    assert single.text("slice") == "1 / 25"
    single.page.keyboard.press("End")
    assert single.text("slice") == "25 / 25"
    single.settled()


def test_side_by_side_scrolls_together_until_parted(reading) -> None:
    page = reading.page
    page.keyboard.press("F3")
    page.click(".strip-button")
    page.wait_for_function("() => document.querySelectorAll('.viewport:not([data-drawn=\"0\"])').length === 2")
    slices = page.locator("[data-text=slice]")
    reading.hover("acquired", 200, 300)
    page.mouse.wheel(0, 100)
    page.mouse.wheel(0, 100)
    assert slices.all_inner_texts() == ["15 / 25", "15 / 25"]
    page.click("button:text-is('Linked')")
    reading.hover("acquired", 200, 300)
    page.mouse.wheel(0, 100)
    assert slices.all_inner_texts() == ["16 / 25", "15 / 25"]
    page.click("button:text-is('Linked')")
    assert slices.all_inner_texts() == ["16 / 25", "16 / 25"]
    reading.settled()


@pytest.mark.slow
def test_side_by_side_keeps_the_filled_half_active(reading) -> None:
    """Its controls stay; the series that is chosen next fills the other half."""
    page = reading.page
    page.click("button:text-is('Raw data')")
    page.wait_for_selector(".raw-panel")
    page.keyboard.press("F3")
    page.wait_for_selector(".viewport-empty", timeout=15_000)
    assert page.locator(".viewport").first.evaluate("one => one.classList.contains('viewport-active')")
    # A click on the empty half takes nothing away either.
    page.locator(".viewport").nth(1).click(timeout=15_000)
    for control in (".raw-panel", "[aria-label=Window]", "button:text-is('Invert')"):
        assert page.locator(control).count() == 1, control
    page.click(".strip-button")
    page.wait_for_function("() => document.querySelectorAll('.viewport:not([data-drawn=\"0\"])').length === 2")
    assert page.locator(".viewport").nth(1).evaluate("one => one.classList.contains('viewport-active')")
    reading.settled()


def test_the_help_opens_and_closes_by_key_and_gives_way_to_raw_data(reading) -> None:
    page = reading.page
    shown = page.locator(".help-list")
    page.keyboard.press("?")
    assert shown.count() == 1
    page.keyboard.press("?")
    assert shown.count() == 0
    page.click("button[aria-label='Keyboard help']")
    assert shown.count() == 1
    page.focus("input[aria-label='Window width']")
    page.keyboard.press("Escape")
    assert shown.count() == 0
    page.click("button[aria-label='Keyboard help']")
    page.click("button:text-is('Raw data')")
    page.wait_for_selector(".raw-panel")
    assert shown.count() == 0


@pytest.mark.slow
def test_a_series_has_one_usual_window(viewer, tmp_path) -> None:
    """Of PET, where the slices' uptakes differ: reset gives what opening gave, on every slice."""
    ct, pet = write_pet_and_ct(tmp_path, "Usual window")
    viewer.open("/")
    viewer.add(*ct, *pet)
    viewer.read_study("Usual window")
    viewer.page.keyboard.press("Home")
    viewer.show("Uptake")
    assert viewer.text("window") == "SUV 0.0 – 10.0"
    for key in ("Home", "End"):
        viewer.page.keyboard.press(key)
        viewer.settled()
        viewer.page.select_option("select[name=preset]", "SUV 0 – 20")
        assert viewer.text("window") == "SUV 0.0 – 20.0"
        viewer.page.keyboard.press("r")
        viewer.settled()
        assert viewer.text("window") == "SUV 0.0 – 10.0"


@pytest.mark.slow
def test_texts_are_legible_on_white_as_on_black(reading) -> None:
    """Every letter has a dark rim: what is bright on black and on white has dark pixels around it."""
    page = reading.page
    page.add_style_tag(content=".viewport-host { visibility: hidden } .viewport { background: var(--test) !important }")

    def grey(name: str, ground: str) -> np.ndarray:
        page.evaluate(f"document.documentElement.style.setProperty('--test', '{ground}')")
        picture = Picture.open(io.BytesIO(page.locator(name).first.screenshot()))
        return np.asarray(picture.convert("L"), float)

    for name in ("[data-text=series]", "[data-text=slice]", "[data-text=window]", "[data-edge=left]"):
        black, white = grey(name, "black"), grey(name, "white")
        letter = black > 110
        grown = np.pad(letter, 1)
        near = np.any([np.roll(grown, (row, column), (0, 1)) for row in (-1, 0, 1) for column in (-1, 0, 1)], axis=0)
        rim = near[1:-1, 1:-1] & ~letter
        assert letter.sum() > 10, name
        assert white[rim].mean() < 80, name
