"""The capture page with a camera that plays a film made here: what is stored shows its frames in their order."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from tests.capture.videos import colour, field_of, number_of, picture

from .conftest import ARGUMENTS, PROGRAMS, WAIT_MS

COLUMNS, ROWS, FRAMES, RATE = 640, 480, 60, 15
# Chromium's conversions, its camera's chroma at half resolution and one or two lossy codings.
COLOUR = 14


def camera_file(path: Path) -> Path:
    """A film for Chromium's fake camera: YUV4MPEG2, frame numbers 0 to 59 again and again."""
    import av

    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{COLUMNS} H{ROWS} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(picture(number, ROWS, COLUMNS), format="rgb24")
            planes = frame.reformat(format="yuv420p", dst_colorspace="ITU601", dst_color_range="MPEG").to_ndarray()
            file.write(b"FRAME\n" + planes.tobytes())
    return path


@pytest.fixture(scope="module")
def chromium(program, tmp_path_factory):
    """Chromium with a fake camera and nobody who must be asked."""
    from playwright.sync_api import sync_playwright

    film = camera_file(tmp_path_factory.mktemp("camera") / "camera.y4m")
    fake = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program(*PROGRAMS), headless=True, args=[*ARGUMENTS, *fake]
        )
        yield browser
        browser.close()


@pytest.fixture
def capture(viewer):
    """The page with its camera on and a patient given."""
    viewer.open("/capture")
    viewer.page.get_by_role("button", name="Camera", exact=True).click()
    viewer.page.wait_for_function("() => document.querySelector('.viewfinder video').videoWidth > 0", timeout=WAIT_MS)
    viewer.page.fill("#capture-patient_name", "Roe^Richard")
    viewer.page.fill("#capture-patient_id", "CAM1")
    return viewer


def record(viewer, seconds: float) -> None:
    viewer.page.get_by_role("button", name="Record").click()
    viewer.page.wait_for_timeout(1000 * seconds)
    viewer.page.get_by_role("button", name="Stop recording").click()
    viewer.page.wait_for_selector(".take video")


def store(viewer) -> list[pydicom.Dataset]:
    """Store everything; the instances of the study."""
    viewer.page.get_by_role("button", name="in the archive").click()
    viewer.page.wait_for_selector("text=Open the study", timeout=WAIT_MS)
    states = viewer.page.eval_on_selector_all(
        ".take", "takes => takes.map(take => take.dataset.state + take.innerText)"
    )
    assert all(state.startswith("stored") for state in states), states
    study = viewer.page.get_by_role("link", name="Open the study").get_attribute("href").rpartition("/")[2]
    accept = {"accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    answer = httpx.get(f"{viewer.address}/dicom-web/studies/{study}", headers=accept, timeout=60)
    boundary = answer.headers["content-type"].split("boundary=")[1].strip('"').encode()
    parts = [part.partition(b"\r\n\r\n")[2] for part in answer.content.split(b"--" + boundary)[1:-1]]
    return [pydicom.dcmread(io.BytesIO(part)) for part in parts]


def check(times_s, frames) -> None:
    """Frames follow each other as in the film, at its pace, in its colours."""
    numbers = [number_of(frame) for frame in frames]
    steps = np.diff(numbers) % FRAMES
    # A busy machine drops frames and shows some twice; none comes before its time.
    assert (steps <= FRAMES // 2).all(), numbers
    assert len(set(numbers)) >= 10, numbers
    shown = np.concatenate([[0], np.cumsum(steps)])
    pace = np.polyfit(times_s, shown, 1)[0]
    assert pace == pytest.approx(RATE, rel=0.15), numbers
    for number, frame in zip(numbers, frames, strict=True):
        np.testing.assert_allclose(field_of(frame), colour(number), atol=COLOUR)


@pytest.mark.slow
def test_a_recording_as_secondary_capture(capture) -> None:
    record(capture, 3)
    (made,) = store(capture)
    assert made.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7.4"
    assert (made.PatientName, made.PatientID) == ("Roe^Richard", "CAM1")
    assert (made.Rows, made.Columns) == (ROWS, COLUMNS)
    times = np.cumsum([float(step) for step in made.FrameTimeVector]) / 1000
    check(times, made.pixel_array)


@pytest.mark.slow
def test_a_recording_as_endoscopic_video(capture) -> None:
    import av

    capture.page.select_option("select[aria-label='Stored as']", "video")
    capture.page.select_option("select[aria-label=View]", "endoscopic")
    record(capture, 3)
    (made,) = store(capture)
    assert made.SOPClassUID == "1.2.840.10008.5.1.4.1.1.77.1.1.1"
    stream = list(pydicom.encaps.generate_fragments(made.PixelData))[1]
    with av.open(io.BytesIO(stream)) as container:
        found = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    check([time for time, _ in found], [frame for _, frame in found])


@pytest.mark.slow
def test_pictures_and_recordings_go_into_one_study(capture) -> None:
    for _ in range(2):
        capture.page.get_by_role("button", name="Take a picture").click()
    capture.page.wait_for_function("() => document.querySelectorAll('.take img').length === 2")
    record(capture, 1.5)
    capture.page.get_by_role("button", name="Discard Picture").first.click()
    made = store(capture)
    assert sorted(one.SOPClassUID[-2:] for one in made) == [".4", ".7"]
    assert len({one.StudyInstanceUID for one in made}) == 1
    assert sorted(one.SeriesNumber for one in made) == [1, 2]
    still = next(one for one in made if one.SOPClassUID.endswith(".7"))
    frame = still.pixel_array
    np.testing.assert_allclose(field_of(frame), colour(number_of(frame)), atol=COLOUR)


def test_what_is_missing_is_said_and_the_keyboard_suffices(viewer) -> None:
    viewer.open("/capture")
    page = viewer.page
    page.get_by_role("button", name="Camera", exact=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("video[data-live=yes]")
    page.wait_for_function("() => document.querySelector('.viewfinder video').videoWidth > 0")
    page.get_by_role("button", name="Take a picture").focus()
    page.keyboard.press("Space")
    page.wait_for_selector(".take img")
    assert page.get_by_role("button", name="Store in the archive").is_disabled()
    assert page.get_by_text("Give the patient's name or ID.").is_visible()
    page.get_by_label("Patient ID").focus()
    page.keyboard.type("K1")
    assert page.get_by_role("button", name="Store in the archive").is_enabled()


def test_a_picture_of_the_screen(viewer) -> None:
    viewer.open("/capture")
    viewer.page.get_by_role("button", name="Screen").click()
    viewer.page.wait_for_function("() => document.querySelector('.viewfinder video').videoWidth > 0", timeout=WAIT_MS)
    viewer.page.fill("#capture-patient_id", "SCREEN1")
    viewer.page.get_by_role("button", name="Take a picture").click()
    viewer.page.wait_for_selector(".take img")
    (made,) = store(viewer)
    size = viewer.page.evaluate(
        "() => [...document.querySelectorAll('.take img')].map(i => [i.naturalHeight, i.naturalWidth])[0]"
    )
    assert [made.Rows, made.Columns] == size
    assert made.pixel_array.std() > 1  # the page itself, not an empty picture


@pytest.mark.slow
def test_a_stored_video_is_played_in_the_reading_room(capture) -> None:
    page = capture.page
    page.select_option("select[aria-label='Stored as']", "video")
    record(capture, 1.5)
    store(capture)
    page.get_by_role("link", name="Open the study").click()
    page.wait_for_selector(".viewport-film")
    page.wait_for_function("() => document.querySelector('.viewport-film').videoWidth > 0", timeout=WAIT_MS)
    assert page.evaluate("() => document.querySelector('.viewport-film').videoWidth") == COLUMNS
    page.evaluate(
        "() => { const film = document.querySelector('.viewport-film'); film.muted = true; return film.play(); }"
    )
    page.wait_for_function("() => document.querySelector('.viewport-film').currentTime > 0.2", timeout=WAIT_MS)
    assert page.locator(".viewport-message").count() == 0
