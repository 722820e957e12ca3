"""Feldkamp's method on exact line integrals of balls."""

from dataclasses import replace

import numpy as np
import pytest

from pellucid.anatomy.phantoms import spheres
from pellucid.errors import InvalidInputError
from pellucid.modalities import xray
from pellucid.modalities.xray import Grid, ScanGeometry, Sinogram
from pellucid.modalities.xray.recon.fdk import feldkamp
from validation.rays import exact_line_integrals

FULL = ScanGeometry(
    beam="cone",
    angles_deg=np.arange(144) * 2.5,
    columns=96,
    column_spacing_mm=2.0,
    row_positions_mm=(np.arange(64) - 31.5) * 2.0,
    source_isocentre_mm=500.0,
    source_detector_mm=750.0,
)
SCANS = {
    "full turn": FULL,
    "full turn, not foldable": replace(FULL, angles_deg=FULL.angles_deg + 1.1, column_offset_mm=0.7),
    "short": replace(FULL, angles_deg=np.arange(84) * 2.5 + 30),
    "displaced": replace(FULL, columns=70, column_offset_mm=-26.0),
    "rows down": replace(FULL, row_positions_mm=FULL.row_positions_mm[::-1].copy()),
}


def seen(phantom, scan, isocentre=(0.0, 0.0, 0.0)):
    return Sinogram(data=exact_line_integrals(phantom, scan, isocentre), geometry=scan, isocentre_lps_mm=isocentre)


@pytest.mark.parametrize("name", SCANS)
def test_ball_has_its_value_and_place(name):
    isocentre = (-20.0, 7.0, 55.0)
    centre = np.array([-20.0 + 25.0, 7.0 - 18.0, 55.0 + 12.0])
    ball = spheres([centre], [13.0], [0.02])
    image = xray.reconstruct(seen(ball, SCANS[name], isocentre), "fdk", matrix=64, field_of_view_mm=112.0)
    points = image.points_lps_mm(np.moveaxis(np.indices(image.shape), 0, -1))
    inside = np.linalg.norm(points - centre, axis=-1) < 9
    # 12 mm above the orbit at 500 mm a ball loses a few tenths of a percent, and Hann's window a little more.
    assert image.array[inside].mean() == pytest.approx(0.2, rel=0.01)
    weights = np.clip(image.array, 0.1, 0.2) - 0.1
    found = np.tensordot(weights, points, 3) / weights.sum()
    assert np.allclose(found, centre, atol=0.2)


@pytest.mark.parametrize("distance", [500.0, 150.0])
def test_mid_plane_is_exact(distance):
    """Also from near, where rays are up to 23 degrees oblique."""
    scan = replace(FULL, source_isocentre_mm=distance, source_detector_mm=1.5 * distance)
    ball = spheres([(0.0, 0.0, 0.0)], [40.0], [0.02])
    grid = Grid(shape=(2, 90, 90), spacing_mm=(1.0, 1.0, 1.0))
    volume = feldkamp(exact_line_integrals(ball, scan), scan, grid)
    inside = np.hypot(grid.x_mm, grid.y_mm[:, None]) < 30
    assert volume[:, inside].mean() == pytest.approx(0.02, rel=2e-3)
    assert volume[:, inside].std() < 2e-4


def test_slices_do_not_depend_on_how_many_are_made(monkeypatch):
    ball = spheres([(10.0, 5.0, -8.0)], [20.0], [0.02])
    data = exact_line_integrals(ball, FULL)
    grid = Grid(shape=(40, 32, 32), spacing_mm=(1.5, 3.0, 3.0), centre_mm=(0.0, 0.0, 4.0))
    whole = feldkamp(data, FULL, grid)
    monkeypatch.setattr("pellucid.modalities.xray.recon.fdk._CHUNK_BYTES", 4 * 32 * 32 * 8 * 7)
    assert np.allclose(feldkamp(data, FULL, grid), whole, atol=1e-7)


def test_offset_anisotropic_grid_is_the_same_volume():
    ball = spheres([(10.0, 5.0, -8.0)], [20.0], [0.02])
    data = exact_line_integrals(ball, FULL)
    whole = feldkamp(data, FULL, Grid(shape=(21, 41, 41), spacing_mm=(2.0, 2.0, 2.0)))
    part = Grid(shape=(5, 13, 7), spacing_mm=(4.0, 2.0, 6.0), centre_mm=(10.0, -4.0, 2.0))
    z, y, x = (np.rint(p / 2).astype(int) + n for p, n in ((part.z_mm, 10), (part.y_mm, 20), (part.x_mm, 20)))
    assert np.allclose(feldkamp(data, FULL, part), whole[np.ix_(z, y, x)], atol=1e-6)


def test_what_cannot_be_used_is_refused():
    raw = seen(spheres([(0.0, 0.0, 0.0)], [10.0], [0.02]), FULL)
    with pytest.raises(InvalidInputError, match="needs fdk"):
        xray.reconstruct(raw, "fbp")
    few = replace(raw, data=raw.data[:60], geometry=replace(FULL, angles_deg=FULL.angles_deg[:60]))
    with pytest.raises(InvalidInputError, match="cover 150"):
        xray.reconstruct(few, "fdk")
    single = replace(raw, data=raw.data[:, :1], geometry=FULL.with_row_positions(np.zeros(1)))
    with pytest.raises(InvalidInputError, match="single detector row"):
        xray.reconstruct(single, "fdk")
    with pytest.raises(InvalidInputError, match="data"):
        feldkamp(raw.data[1:], FULL, Grid(shape=(2, 8, 8), spacing_mm=(1, 1, 1)))
