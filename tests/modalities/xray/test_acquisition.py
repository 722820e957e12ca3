"""Sinograms and geometries: what they refuse, what they tell, and that they survive their file."""

from dataclasses import replace

import numpy as np
import pytest

from pellucid import container
from pellucid.errors import InvalidInputError, UnknownOptionError
from pellucid.modalities.xray import Grid, ScanGeometry, Sinogram, Spectrum, monoenergetic

FAN = ScanGeometry(
    beam="fan",
    detector="curved",
    angles_deg=np.arange(6) * 60.0,
    columns=5,
    column_spacing_mm=2.0,
    column_offset_mm=0.5,
    row_positions_mm=np.array([4.0, 2.0, 0.0]),
    source_isocentre_mm=500.0,
    source_detector_mm=1000.0,
)
COUNTS = np.arange(6 * 3 * 5, dtype=np.uint16).reshape(6, 3, 5) + 100
RAW = Sinogram(
    data=COUNTS,
    geometry=FAN,
    signal="counts",
    flat_field=np.full((2, 3, 5), 1000, np.uint16),
    dark_field=np.full((1, 3, 5), 10.0, np.float32),
    spectrum=monoenergetic(60.0),
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"beam": "helix"}, "unknown beam 'helix'"),
        ({"detector": "round"}, "unknown detector 'round'"),
        ({"beam": "cone"}, "'curved' with a cone beam"),
        ({"angles_deg": np.array([0.0, np.nan])}, "angles_deg: holds 1 values that are not finite"),
        ({"angles_deg": np.zeros((2, 2))}, "angles_deg: is .2, 2."),
        ({"angles_deg": np.zeros(0)}, "angles_deg"),
        ({"columns": 0}, "columns: is 0"),
        ({"column_spacing_mm": 0.0}, "column_spacing_mm: is 0"),
        ({"column_spacing_mm": float("inf")}, "column_spacing_mm"),
        ({"column_offset_mm": float("nan")}, "column_offset_mm"),
        ({"row_positions_mm": np.array([0.0, 1.0, 0.5])}, "row_positions_mm: do not rise or fall"),
        ({"beam": "cone", "detector": "flat", "row_positions_mm": np.array([0.0, 1.0, 3.0])}, "unevenly spaced"),
        ({"source_isocentre_mm": -1.0}, "source_isocentre_mm: is -1"),
        ({"source_detector_mm": 400.0}, "at least the source-isocentre distance"),
        ({"column_spacing_mm": 600.0}, "Spacing in cm instead of mm"),
        ({"beam": "parallel", "detector": "flat"}, "set for a parallel beam"),
    ],
)
def test_a_geometry_that_cannot_be_is_refused(changes, words):
    with pytest.raises(InvalidInputError, match=words):
        replace(FAN, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": COUNTS[:5]}, r"data: is \(5, 3, 5\); expected \(views, rows, columns\) = \(6, 3, 5\)"),
        ({"data": COUNTS.transpose(2, 1, 0)}, "Reversed axes"),
        ({"data": COUNTS.astype(complex)}, "data: holds complex128"),
        ({"data": np.full(COUNTS.shape, np.nan)}, "data: holds 90 values that are not finite"),
        ({"signal": "photons"}, "unknown signal"),
        ({"flat_field": np.ones((2, 3, 4))}, "flat_field"),
        ({"dark_field": np.full((1, 3, 5), np.inf)}, "dark_field"),
        ({"flat_field": None}, "flat_field: is needed"),
        ({"unattenuated_counts": 1000.0}, "exactly one of them"),
        ({"flat_field": None, "unattenuated_counts": -1.0}, "unattenuated_counts: is -1"),
        ({"signal": "line_integrals"}, "expected only with counts"),
    ],
)
def test_a_sinogram_that_cannot_be_is_refused(changes, words):
    with pytest.raises(InvalidInputError, match=words):
        replace(RAW, **changes)


@pytest.mark.parametrize(
    ("energies", "weights", "words"),
    [
        ([60.0, 50.0], [0.5, 0.5], "do not rise"),
        ([50.0, 60.0], [0.5, 0.6], "add up to 1.1"),
        ([50.0, 60.0], [1.5, -0.5], "add up to 1; expected"),
        ([50.0], [0.5, 0.5], "equal length"),
        ([50.0, np.nan], [0.5, 0.5], "not finite"),
    ],
)
def test_a_spectrum_that_cannot_be_is_refused(energies, weights, words):
    with pytest.raises(InvalidInputError, match=words):
        Spectrum(energies_kev=np.array(energies), weights=np.array(weights))


def test_a_grid_that_cannot_be_is_refused():
    with pytest.raises(InvalidInputError, match="grid shape"):
        Grid(shape=(0, 2, 2), spacing_mm=(1, 1, 1))
    with pytest.raises(InvalidInputError, match="grid spacing_mm"):
        Grid(shape=(1, 2, 2), spacing_mm=(1, 0, 1))


def test_geometry_in_numbers():
    assert FAN.shape == (6, 3, 5)
    assert FAN.column_positions_mm.tolist() == [-3.5, -1.5, 0.5, 2.5, 4.5]
    assert FAN.centre_of_rotation_px == pytest.approx(1.75)
    assert FAN.fan_angles_deg == pytest.approx(np.rad2deg(FAN.column_positions_mm / 1000))
    flat = replace(FAN, detector="flat")
    assert flat.fan_angles_deg == pytest.approx(np.rad2deg(np.arctan(FAN.column_positions_mm / 1000)))
    assert FAN.angular_range_deg == 360
    assert FAN.is_full_turn
    assert not FAN.every_view(1).__class__(**{**vars(FAN), "angles_deg": FAN.angles_deg[:5]}).is_full_turn
    assert FAN.every_view(2).angles_deg.tolist() == [0, 120, 240]


def test_summary_and_views():
    summary = RAW.summary()
    assert summary["Beam"] == "fan, curved detector"
    assert summary["Views"] == "6 over 360°"
    assert summary["Signal"] == "counts, uint16"
    assert summary["Spectrum"] == "60 keV, monoenergetic"
    views = RAW.signal_views()
    assert [view.array.shape for view in views] == [(6, 5), (3, 5), (3, 5)]
    assert views[0].array[2, 3] == pytest.approx(-np.log((COUNTS[2, 1, 3] - 10.0) / 990.0))


def test_survives_its_file(tmp_path):
    container.write(RAW, tmp_path / "a.pellucid.h5")
    again = container.read(tmp_path / "a.pellucid.h5")
    assert isinstance(again, Sinogram)
    assert np.array_equal(again.data, RAW.data)
    assert again.data.dtype == np.uint16
    assert again.geometry.row_positions_mm.tolist() == [4.0, 2.0, 0.0]
    assert again.spectrum.title == RAW.spectrum.title
    assert again.summary() == RAW.summary()
    plain = Sinogram(data=np.zeros((6, 3, 5), np.float32), geometry=FAN)
    container.write(plain, tmp_path / "b.pellucid.h5")
    assert container.read(tmp_path / "b.pellucid.h5").flat_field is None


def test_unknown_names_list_the_known():
    with pytest.raises(UnknownOptionError, match="known: cone, fan, parallel"):
        replace(FAN, beam="pencil")
