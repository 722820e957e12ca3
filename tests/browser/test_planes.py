"""A voxel is shown where it is in the patient: letters, markers, crosshair, values; for every acquisition plane."""

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from .conftest import viewer_of
from .synthetic import Marked, marked, write

RIGHT = {"axial": (1, 0, 0), "coronal": (1, 0, 0), "sagittal": (0, 1, 0)}
DOWN = {"axial": (0, 1, 0), "coronal": (0, 0, -1), "sagittal": (0, 0, -1)}
LETTERS = {
    "axial": {"left": "R", "right": "L", "top": "A", "bottom": "P"},
    "coronal": {"left": "R", "right": "L", "top": "H", "bottom": "F"},
    "sagittal": {"left": "A", "right": "P", "top": "H", "bottom": "F"},
}
AXIS = {"axial": 2, "coronal": 1, "sagittal": 0}
MARGIN = 1.04
"""The fitted picture leaves 2 % free on each side of its longer edge."""


Size = tuple[int, int]


def expected_pixel(volume: Marked, plane: str, point: NDArray[np.float64], size: Size) -> NDArray[np.float64]:
    """Column and row of a patient point: the volume's middle at the viewport's, the whole volume fitted."""
    height, width = size
    axes = np.array([RIGHT[plane], DOWN[plane]], float)
    edges = np.abs(volume.affine[:3, :3]) @ volume.values.shape
    extent = np.abs(axes) @ edges
    mm_per_pixel = MARGIN * max(extent[0] / width, extent[1] / height)
    return np.array([width, height]) / 2 + axes @ (point - volume.centre) / mm_per_pixel


def centroid(picture: NDArray[np.uint8], near: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Brightness-weighted middle of what is bright around a pixel; pixel (0, 0) reaches from 0 to 1."""
    grey = picture[..., 0].astype(float) - 40
    rows, columns = np.indices(grey.shape) + 0.5
    weight = np.where((abs(columns - near[0]) < reach) & (abs(rows - near[1]) < reach), np.clip(grey, 0, None), 0)
    assert weight.sum() > 0, f"nothing bright around {near}"
    return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()


@pytest.fixture(
    scope="module",
    params=[*(pytest.param(plane, marks=pytest.mark.slow) for plane in ("axial", "coronal")), "sagittal"],
)
def volume(request, store, tmp_path_factory) -> tuple[Marked, str]:
    """A marked volume, stored on the server, and its patient's name."""
    made, name = marked(request.param), f"Marked {request.param}"
    store(*write(made, tmp_path_factory.mktemp(request.param), name))
    return made, name


@pytest.fixture(scope="module")
def room(volume, server, chromium):
    """The reading room of the volume; both tests of a volume share it."""
    with viewer_of(server, chromium) as viewer:
        viewer.open("/")
        viewer.read_study(volume[1])
        yield viewer


def test_markers_are_where_they_are_in_the_patient(room, volume) -> None:
    """Crosshair through each marker: it lies at the computed pixel of all three planes, within a pixel, and is it.

    A voxel covers 4 pixels or more here, so a flip, a swap of axes or a shift by one voxel is far outside.
    """
    viewer, made = room, volume[0]
    viewer.page.click("button:text-is('Three planes')")
    for plane, letters in LETTERS.items():
        viewer.drawn(plane)
        assert viewer.letters(plane) == letters
    for value, (marker, point) in zip((300, 600, 900), made.markers.items(), strict=True):
        _go_to(viewer, made, point)
        for plane in LETTERS:
            picture = viewer.picture(plane)
            wanted = expected_pixel(made, plane, point, picture.shape[:2])
            found = centroid(picture, wanted, 40)
            assert np.abs(found - wanted).max() < 1.0, f"{marker} in {plane}: shown at {found}, expected {wanted}"
            viewer.hover(plane, *wanted)
            assert viewer.text("probe", plane).startswith(f"CT {value} HU")


def _go_to(viewer, made: Marked, point: NDArray[np.float64]) -> None:
    """Set the crosshair by clicks on the coronal and then the axial picture."""
    for plane in ("coronal", "axial"):
        size = viewer.picture(plane).shape[:2]
        x, y = expected_pixel(made, plane, point, size)
        viewer.page.click(f".viewport[data-plane={plane}]", position={"x": float(x), "y": float(y)})
        viewer.settled()
    for plane, axis in AXIS.items():
        letter, distance, _unit = viewer.text("position", plane).split()[-3:]
        shown = float(distance) * (1 if letter in "LPH" else -1)
        step = np.abs(made.affine[:3, :3]).sum(axis=1)[axis]
        assert abs(shown - point[axis]) <= step / 2 + 0.1, f"{plane} shows {shown} mm, marker at {point[axis]} mm"


def test_own_slices_are_shown_in_order_and_upright(room, volume) -> None:
    """The single picture: the slice of a marker, found by number, shows it at its row and column."""
    viewer, made = room, volume[0]
    viewer.page.click("button:text-is('Single')")
    viewer.drawn("acquired")
    viewer.page.keyboard.press("Home")
    for _ in range(12):
        viewer.page.keyboard.press("ArrowDown")
    viewer.settled()
    # Slices run along the normal (row direction x column direction), whatever their order in the archive.
    normal = np.cross(made.affine[:3, 2], made.affine[:3, 1])
    forwards = normal @ made.affine[:3, 0] > 0
    assert viewer.text("slice") == "13 / 25"
    assert forwards or len(made.values) == 25, "the middle slice is the 13th from both ends"
    picture = viewer.picture("acquired")
    height, width = picture.shape[:2]
    extent = np.array(made.values.shape[2:0:-1]) * (1.0, 1.5)
    mm_per_pixel = MARGIN * max(extent[0] / width, extent[1] / height)
    index = np.array([50.0, 36.0])
    middle = (np.array(made.values.shape[2:0:-1]) - 1) / 2
    wanted = np.array([width, height]) / 2 + (index - middle) * (1.0, 1.5) / mm_per_pixel
    assert np.abs(centroid(picture, wanted, 60) - wanted).max() < 1.0


@pytest.mark.parametrize("layout", [pytest.param("Single", marks=pytest.mark.slow), "Three planes"])
def test_small_values_are_not_shown_inverted(viewer, layout, tmp_path) -> None:
    """Values far below one (attenuation in 1/cm): what is larger is brighter, as in any other unit."""
    made, name = marked("axial"), f"Small values {layout}"
    files = write(made, tmp_path / "small", name)
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "0.0001", "US"
        dataset.WindowCenter, dataset.WindowWidth = 0.14, 0.12
        dataset.save_as(file)
    viewer.open("/")
    viewer.add(*files)
    viewer.read_study(name)
    viewer.page.click(f"button:text-is('{layout}')")
    plane = "acquired" if layout == "Single" else "axial"
    _show_slice_of_second_marker(viewer, made, plane)
    picture = viewer.picture(plane)[..., 0].astype(float)
    height, width = picture.shape
    x, y = expected_pixel(made, "axial", made.markers["second"], (height, width)).astype(int)
    assert picture[y, x] > picture[height // 2, width // 2] + 60


def _show_slice_of_second_marker(viewer, made: Marked, plane: str) -> None:
    """It is the middle one, which is shown first."""
    viewer.settled()
    if plane == "axial":
        viewer.drawn("axial")
    assert np.isclose(made.markers["second"][2], made.centre[2])
