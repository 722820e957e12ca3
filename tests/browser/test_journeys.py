"""What a reader does: fusion, raw data with progress, cancelling, errors, reconstructing again."""

import json
import re
from itertools import product
from pathlib import Path

import numpy as np
import pydicom
import pytest

from .signals import kspace, write
from .synthetic import marked, write_pet_and_ct
from .synthetic import write as write_series
from .test_jobs import job

SUV_TEXT = re.compile(r"PT SUV ([\d.]+) g/ml")


def middle_slices(folder: Path, count: int) -> list[Path]:
    """The files of `count` neighbouring slices from the middle of a series."""
    files = [path for path in folder.rglob("*.dcm") if pydicom.dcmread(path, stop_before_pixels=True).get("Rows")]
    files.sort(key=lambda path: pydicom.dcmread(path, stop_before_pixels=True).ImagePositionPatient[2])
    first = (len(files) - count) // 2
    return files[first : first + count]


def test_from_files_to_a_fused_picture(viewer, tmp_path) -> None:
    """PET over CT of made series: the hottest colour of the middle slice is its marker, with its place and value."""
    ct, pet = write_pet_and_ct(tmp_path, "Fused")
    point, value = _fused(viewer, "Fused", ct, pet)
    assert value == pytest.approx(8.0)
    # The marker is 5 x 7.5 mm in its slice: half of it, and the 3 mm between slices.
    np.testing.assert_allclose(point, marked("axial").markers["second"], atol=4.0)


@pytest.mark.slow
def test_from_real_files_to_a_fused_picture(viewer, real_data) -> None:
    """PET over CT of one patient (sarcoma STS_001, TCIA, CC BY 3.0): colours, and the values of the files."""
    folder = real_data("dicom/petct_mr_sts001")
    ct, pet = (middle_slices(folder / name, 15) for name in ("CT", "PET"))
    _, value = _fused(viewer, "STS_001", ct, pet)
    assert value > 2.5, "the brightest colour is where uptake is high"


def _fused(viewer, patient: str, ct: list[Path], pet: list[Path]) -> tuple[np.ndarray, float]:
    """Go from the files to PET over CT in three planes; patient point and value of the brightest colour."""
    viewer.open("/")
    viewer.add(*ct, *pet)
    viewer.read_study(patient)
    assert "CT" in viewer.text("series")
    viewer.page.click("button:text-is('Three planes')")
    viewer.drawn("sagittal")
    plain = viewer.picture("axial")
    assert np.array_equal(plain[..., 0], plain[..., 2]), "a picture that is not fused has no colour"
    viewer.fuse("PT")
    for plane in ("axial", "coronal", "sagittal"):
        picture = viewer.picture(plane).astype(int)
        assert (picture[..., 0] - picture[..., 2] > 60).mean() > 0.01, f"no hot colours in {plane}"
    viewer.hover("axial", *_hottest(viewer.picture("axial")))
    shown = viewer.text("probe", "axial")
    point, value = _position(shown), float(SUV_TEXT.search(shown).group(1))
    assert value == pytest.approx(_suv_at(pet, point), rel=2e-3)
    return point, value


def _hottest(picture: np.ndarray) -> tuple[float, float]:
    """Column and row of the middle of the brightest colour (red and not blue)."""
    colour = picture.astype(float)
    score = colour[..., 0] - colour[..., 2]
    smooth = np.cumsum(np.cumsum(np.pad(score, 1), 0), 1)
    width = 9
    boxes = smooth[width:, width:] - smooth[:-width, width:] - smooth[width:, :-width] + smooth[:-width, :-width]
    row, column = np.unravel_index(boxes.argmax(), boxes.shape)
    return float(column + width / 2 - 1), float(row + width / 2 - 1)


def _position(text: str) -> np.ndarray:
    """LPS mm of a text like "L 63.9  A 17.1  F 786.5 mm"."""
    parts = re.findall(r"([LRPAHF]) ([\d.,]+)", text.splitlines()[-1])
    return np.array([float(number.replace(",", "")) * (1 if letter in "LPH" else -1) for letter, number in parts])


def _suv_at(files: list[Path], point: np.ndarray) -> float:
    """The file's own value at a patient point: its nearest voxel (the series is stored in SUV)."""
    data = min((pydicom.dcmread(f) for f in files), key=lambda d: abs(float(d.ImagePositionPatient[2]) - point[2]))
    offset = (point[:2] - np.array(data.ImagePositionPatient[:2], float)) / np.array(data.PixelSpacing, float)[::-1]
    column, row = np.rint(offset).astype(int)
    return float(data.pixel_array[row, column]) * float(data.RescaleSlope) + float(data.RescaleIntercept)


@pytest.fixture(scope="module")
def signal_study(store, tmp_path_factory) -> str:
    """A study with a series that its stored signal was reconstructed to; the patient's name."""
    store(write(kspace("Stored signal"), tmp_path_factory.mktemp("signal")))
    return "Stored signal"


def test_from_a_raw_file_to_a_picture(viewer, tmp_path) -> None:
    """The job shows while it works; the picture has the ball at the patient's left and front."""
    viewer.open("/")
    viewer.add(write(kspace("Signal"), tmp_path))
    viewer.page.wait_for_selector(".job")
    viewer.page.wait_for_selector("a.study-link:text-is('Signal')")
    viewer.page.wait_for_selector(".jobs-finished .job-done", state="attached")
    viewer.page.click(".jobs-finished summary")
    viewer.page.locator(".jobs-finished .job:has-text('signal.pellucid.h5') a:text-is('Open the study')").first.click()
    viewer.drawn()
    assert viewer.letters("acquired") == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    picture = viewer.picture("acquired")[..., 0].astype(float)
    # The ball is twice as bright as the block, whatever the window.
    rows, columns = np.nonzero(picture > 0.75 * np.percentile(picture, 99.5))
    assert rows.size < 0.1 * picture.size
    height, width = picture.shape
    assert columns.mean() > width / 2 + 20, "the ball is at the patient's left"
    assert rows.mean() < height / 2 - 20, "the ball is at the patient's front"


def test_reconstructing_again_shows_both_side_by_side(viewer, signal_study) -> None:
    """Parameters come from the server; the new picture is beside the old at the same slice and window."""
    viewer.open("/")
    viewer.read_study(signal_study)
    viewer.page.keyboard.press("ArrowDown")
    viewer.page.click("button:text-is('Raw data')")
    viewer.page.wait_for_selector(".signal img")
    loaded = "() => [...document.querySelectorAll('.signal img')].every(i => i.complete && i.naturalWidth > 0)"
    viewer.page.wait_for_function(loaded)
    viewer.reconstruct("fft", undersampling="3")
    left, right = viewer.compared()
    assert 1 < np.abs(left - right).mean() < 60, "a third of the lines gives a similar, folded picture"


def raw_panel(viewer, signal_study: str, method: str) -> None:
    """Read the study of the signal and choose a method in its raw-data panel."""
    viewer.open("/")
    viewer.read_study(signal_study)
    viewer.page.click("button:text-is('Raw data')")
    viewer.page.select_option("select[name=method]", method)


REFUSED = [
    ("fft", "undersampling", "99", "Undersampling: expected 1 to 16"),
    ("total_variation", "iterations", "5000", "Iterations: expected 1 to 500"),
    ("total_variation", "iterations", "2.5", "Iterations: expected a whole number, 1 to 500"),
    ("total_variation", "iterations", "", "Iterations: expected a whole number, 1 to 500"),
]


def test_parameters_out_of_range_are_refused_on_the_spot(viewer, signal_study) -> None:
    """However the field is left: it keeps what was typed, one line says what is allowed, and no job starts."""
    raw_panel(viewer, signal_study, "fft")
    page, asked = viewer.page, []
    page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
    for leave, (method, name, typed, expected) in product(("Tab", "Enter", "button"), REFUSED):
        page.select_option("select[name=method]", method)
        field = page.locator(f"input[name={name}]")
        field.fill(typed)
        if leave != "button":
            field.press(leave)
        page.click("button:text-is('Reconstruct')")
        page.wait_for_selector(f".parameters [role=alert]:text-is('{expected}')", timeout=15_000)
        assert page.locator(".raw-panel [role=alert]").count() == 1, leave
        assert field.input_value() == typed
        assert field.get_attribute("aria-invalid") == "true"
        assert page.inner_text(f"#{field.get_attribute('aria-describedby')}") == expected
        assert page.locator(".raw-panel .job").count() == 0
        assert asked == []
        field.fill("2")
        assert page.locator(".raw-panel [role=alert]").count() == 0
        assert field.get_attribute("aria-invalid") is None


def test_a_job_can_be_cancelled(viewer, tmp_path) -> None:
    """A long reconstruction stops on request and leaves no series behind."""
    viewer.open("/")
    viewer.add(write(kspace("Cancelled", slices=12, size=128), tmp_path))
    viewer.read_study("Cancelled")
    before = viewer.page.locator(".strip-button").count()
    viewer.page.click("button:text-is('Raw data')")
    viewer.page.select_option("select[name=method]", "total_variation")
    viewer.page.fill("input[name=iterations]", "500")
    viewer.page.keyboard.press("Tab")
    viewer.page.click("button:text-is('Reconstruct')")
    viewer.page.wait_for_selector(".raw-panel .job [role=progressbar]")
    viewer.page.click(".raw-panel .job button:text-is('Cancel')")
    viewer.page.wait_for_selector(".raw-panel .job-cancelled")
    assert viewer.page.is_enabled("button:text-is('Reconstruct')")
    viewer.page.reload()
    viewer.drawn()
    assert viewer.page.locator(".strip-button").count() == before


def test_a_broken_file_is_named_with_what_is_wrong(viewer, tmp_path) -> None:
    series = write_series(marked("axial"), tmp_path, "Broken")
    cut = tmp_path / "cut_off.dcm"
    cut.write_bytes(series[0].read_bytes()[:900])
    viewer.open("/")
    viewer.add(cut)
    viewer.page.wait_for_selector(".job-failed")
    message = viewer.page.inner_text(".job-failed .message-error")
    assert "cut_off.dcm" in message
    assert "internal error" not in message
    assert "Traceback" not in message
    assert viewer.page.locator("a.study-link:text-is('Broken')").count() == 0


def test_an_unknown_study_says_what_to_do(viewer) -> None:
    viewer.open("/study/1.2.3.4")
    message = viewer.page.wait_for_selector(".message-error").inner_text()
    assert "not in the archive" in message
    viewer.page.click("a:text-is('Back to the studies')")
    viewer.page.wait_for_selector(".drop-zone")


def test_the_first_page_is_small(viewer) -> None:
    """The rendering library comes with the reading room, not with the list of studies."""
    sizes: list[int] = []
    viewer.page.on("response", lambda answer: sizes.append(len(answer.body())) if "/assets/" in answer.url else None)
    viewer.open("/")
    viewer.page.wait_for_selector(".drop-zone")
    assert sizes
    assert sum(sizes) < 120_000


BROKEN_WORDS = """elements => elements.flatMap(element => {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT), found = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        for (const word of node.data.matchAll(/[^\\s_=]+/g)) {
            const range = document.createRange();
            range.setStart(node, word.index);
            range.setEnd(node, word.index + word[0].length);
            if (range.getClientRects().length > 1) found.push(word[0]);
        }
    }
    return found;
})"""
"""The words of elements that begin in one line and end in another."""


@pytest.mark.slow
def test_long_names_of_methods_break_between_their_words(viewer, tmp_path) -> None:
    """In the corner of one of two viewports, beside the raw-data panel, and in the strip."""
    files = write_series(marked("axial"), tmp_path, "Long names")
    for file in files:
        data = pydicom.dcmread(file)
        data.SeriesDescription = "MR T2 sense (combination=root_sum_of_squares, undersampling=2)"
        data.save_as(file)
    viewer.open("/")
    viewer.add(*files)
    viewer.read_study("Long names")
    viewer.page.click("button:text-is('Side by side')")
    viewer.page.click("button:text-is('Raw data')")
    for width in (1280, 900):
        viewer.page.set_viewport_size({"width": width, "height": 800})
        viewer.settled()
        assert viewer.page.evaluate("document.documentElement.scrollWidth") <= width
        texts = viewer.page.locator(".strip-text, [data-text=series], [data-text=position]")
        assert texts.count() == 3
        assert texts.evaluate_all(BROKEN_WORDS) == []
        box = viewer.page.locator("[data-text=series]").bounding_box()
        assert box["height"] > 30, "the name needs several lines"


@pytest.mark.parametrize("width", [1024, 1600])
def test_nothing_overflows(viewer, server, width) -> None:
    viewer.page.set_viewport_size({"width": width, "height": 700})
    viewer.open("/")
    viewer.page.wait_for_selector(".studies")
    assert viewer.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_server_that_stops_answering_is_said_until_it_answers(viewer, signal_study) -> None:
    """While a job is shown running in the reading room; the line goes away by itself."""
    raw_panel(viewer, signal_study, "fft")
    page = viewer.page
    running = job(1, "running", kind="reconstruction", fraction=0.3)
    page.route("**/reconstructions", lambda route: route.fulfill(json={"job": running}))
    page.route(
        "**/api/jobs/*/events",
        lambda route: route.fulfill(body=f"data: {json.dumps(running)}\n\n", content_type="text/event-stream"),
    )
    page.route("**/api/jobs", lambda route: route.abort("aborted"))
    page.click("button:text-is('Reconstruct')")
    page.wait_for_selector(".raw-panel .job-running")
    page.wait_for_selector("[role=alert]:text-is('The server does not answer; trying again')", timeout=20_000)
    assert page.locator(".raw-panel .job-running").count() == 1
    page.unroute("**/api/jobs")
    page.route("**/api/jobs", lambda route: route.fulfill(json={"jobs": [running]}))
    page.wait_for_selector("[role=alert]", state="detached", timeout=20_000)
