"""`pellucid demo` as a user meets it: address, patient, fusion, other reconstructions, Ctrl-C, the next start."""

import os
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from tests.browser.conftest import PROGRAMS, ROOT, STATIC, viewer_of

from benchmarks.demonstration import DONE, Demonstration
from pellucid.demo import EXAMINATIONS


class Small(Demonstration):
    """With a patient who is scanned in a few seconds."""

    program = (sys.executable, "-m", "tests.browser.small_demonstration")

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}


LABELS = {examination.label for examination in EXAMINATIONS}
LONG = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module", params=[Small, pytest.param(Demonstration, marks=LONG)])
def demonstration(request, program) -> Iterator[Demonstration]:
    """The first start, with the patient complete."""
    program(*PROGRAMS)
    if not STATIC.is_file():
        pytest.skip("the viewer is not built (make install builds it)")
    with request.param() as server:
        server.wait_for(DONE, 900.0)
        yield server


@pytest.fixture
def room(demonstration, chromium):
    """The demonstration's study, opened from the list."""
    with viewer_of(demonstration.address, chromium) as viewer:
        viewer.open("/")
        viewer.page.click("a.study-link")
        viewer.drawn()
        yield viewer


def test_pet_is_laid_over_mr(room) -> None:
    room.show("MR T1")
    room.page.click("button:text-is('Three planes')")
    room.drawn("sagittal")
    assert not hot(room.picture("axial")).any()
    room.fuse("PET FDG")
    for plane in ("axial", "coronal", "sagittal"):
        assert hot(room.picture(plane)).mean() > 0.01, f"no hot colours in {plane}"


def hot(picture: np.ndarray) -> np.ndarray:
    """Where a picture is red more than blue."""
    return picture[..., 0].astype(int) - picture[..., 2] > 60


@pytest.mark.slow
def test_ct_from_fewer_views_and_with_another_filter(room) -> None:
    """An eighth of the views leaves streaks, and a filter that ends early hides them."""
    room.show("CT head")
    room.reconstruct("fbp", keep_every="8")
    first, few = room.compared()
    assert roughness(few) > 1.5 * roughness(first)
    room.reconstruct("fbp", keep_every="8", filter="hann", cutoff="0.2")
    _, smooth = room.compared()
    assert roughness(smooth) < 0.5 * roughness(few)


@pytest.mark.slow
def test_pet_from_fewer_views_and_with_fewer_iterations(room) -> None:
    """After one pass through all views the picture is nearly flat still; an eighth of the views leaves streaks."""
    room.show("PET FDG")
    room.reconstruct("fbp")
    _, all_views = room.compared()
    room.reconstruct("fbp", keep_every="8")
    _, few = room.compared()
    assert roughness(few) > 1.4 * roughness(all_views)
    room.reconstruct("osem", iterations="1", subsets="1")
    first, early = room.compared()
    assert roughness(early) < 0.7 * roughness(first)


def roughness(picture: np.ndarray) -> float:
    """Mean difference between neighbouring pixels in the middle third."""
    rows, columns = (slice(length // 3, 2 * length // 3) for length in picture.shape)
    return float(np.abs(np.diff(picture[rows, columns])).mean())


def test_ctrl_c_ends_it_and_the_next_start_finds_everything(demonstration) -> None:
    assert set(demonstration.series()) >= LABELS
    assert demonstration.interrupt() == 0
    assert "Traceback" not in demonstration.said()
    demonstration.restart()
    # Processor time, so that a busy machine does not decide; on an idle one it is less than this by the clock too.
    assert demonstration.cpu_seconds() < 5.0
    assert set(demonstration.series()) >= LABELS
    assert "Demonstration patient" not in demonstration.said()
