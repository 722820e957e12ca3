"""Which lines a sinogram holds: against published tables and the positions of the crystals themselves."""

from dataclasses import replace

import numpy as np
import pytest

from pellucid.errors import InvalidInputError, UnknownOptionError
from pellucid.modalities.nuclear.sampling import Segment, SinogramSampling, michelogram, sampling_of
from pellucid.modalities.nuclear.scanner import BIOGRAPH_MMR, DISCOVERY_MI, Scanner, scanner

SMALL = Scanner(
    name="small", rings=5, crystals_per_ring=24, ring_pitch_mm=4.0, inner_radius_mm=50.0, interaction_depth_mm=3.0,
    radial_bins=15, view_offset_deg=7.0,
)  # fmt: skip


def ring_pairs(sampling):
    """(plane, r_a, r_b) of every ring pair."""
    return np.array(
        [
            (plane + step * i, ring + i, ring + i + difference)
            for difference, ring, count, plane, step in sampling.diagonals()
            for i in range(count)
        ]
    )


def planes_per_segment(rings, span, max_ring_difference):
    return [len(segment.ring_sums(rings)) for segment in michelogram(rings, span, max_ring_difference)]


def test_span_11_planes_are_those_of_the_scanners_header():
    # Segment table of the mMR's own list-mode header at span 11, and its 837 sinograms.
    expected = [127, 115, 115, 93, 93, 71, 71, 49, 49, 27, 27]
    assert planes_per_segment(64, 11, 60) == expected
    assert sampling_of(BIOGRAPH_MMR, span=11, max_ring_difference=60).planes == 837


def test_span_1_planes_are_those_of_the_scanner():
    assert sampling_of(BIOGRAPH_MMR, span=1, max_ring_difference=60).planes == 4084


def test_span_2_merges_neighbours_as_ge_does():
    # n² - (n - 1) sinograms from n rings.
    assert sampling_of(DISCOVERY_MI, span=2, max_ring_difference=35).planes == 36**2 - 35
    assert michelogram(36, 2, 5)[:3] == (Segment(-1, 1), Segment(2, 3), Segment(-3, -2))


@pytest.mark.parametrize(("span", "limit"), [(1, 4), (2, 3), (3, 4), (5, 2)])
def test_every_ring_pair_is_in_exactly_one_plane(span, limit):
    sampling = sampling_of(SMALL, span=span, max_ring_difference=limit)
    pairs = ring_pairs(sampling)
    listed = {(int(a), int(b)) for _, a, b in pairs}
    assert len(listed) == len(pairs)
    assert listed == {(a, b) for a in range(5) for b in range(5) if abs(b - a) <= limit}
    z = SMALL.ring_z_mm()
    assert np.allclose(z[pairs[:, 1:]].mean(axis=1), sampling.plane_z_mm[pairs[:, 0]])


def in_part(sampling):
    """The same without the outermost plane at either end of the first segment, and but the middle of the others."""
    planes = np.diff(sampling.first_planes)
    measured = [planes[0] - 2, *(2 - count % 2 for count in planes[1:])]
    segments = [replace(segment, measured=int(n)) for segment, n in zip(sampling.segments, measured, strict=True)]
    return replace(sampling, segments=tuple(segments))


@pytest.mark.parametrize(("span", "limit"), [(1, 4), (2, 3), (3, 4), (5, 2)])
def test_planes_in_part_are_the_middle_ones_of_all(span, limit):
    whole = sampling_of(SMALL, span=span, max_ring_difference=limit)
    part = in_part(whole)
    where = {(float(d), float(z)): n for n, (d, z) in enumerate(zip(
        whole.plane_ring_difference, whole.plane_z_mm, strict=True))}  # fmt: skip
    places = [where[float(d), float(z)] for d, z in zip(part.plane_ring_difference, part.plane_z_mm, strict=True)]
    assert len(set(places)) == part.planes < whole.planes
    for segment in range(len(part.segments)):
        own = part.plane_z_mm[slice(*part.first_planes[segment : segment + 2])]
        assert own.mean() == pytest.approx(0)
    expected = {(places.index(plane), int(a), int(b)) for plane, a, b in ring_pairs(whole) if plane in places}
    assert {tuple(map(int, row)) for row in ring_pairs(part)} == expected


@pytest.mark.parametrize("measured", [0, 2, 7, -1])
def test_planes_that_no_middle_has_are_refused(measured):
    with pytest.raises(InvalidInputError, match=f"0 to 0 has {measured} planes; expected the 5 of 5 rings, or as many"):
        SinogramSampling(scanner=SMALL, segments=(Segment(0, 0, measured),), radial_bins=9)


def test_every_fourth_view_has_the_lines_of_every_fourth_view():
    whole = sampling_of(SMALL, span=3, max_ring_difference=1, view_mashing=2)
    fourth = replace(whole, view_step=4)
    assert fourth.shape == (2, 15, whole.planes)
    assert np.array_equal(fourth.angles_rad, whole.angles_rad[::4])
    assert np.array_equal(fourth.crystal_pairs(), whole.crystal_pairs()[::4])
    for step in (0, 7):
        with pytest.raises(InvalidInputError, match=f"view_step: is {step}; expected 1 to the number of views, 6"):
            replace(whole, view_step=step)


def test_bins_lie_where_their_crystals_are():
    sampling = sampling_of(SMALL, span=1, max_ring_difference=2)
    crystal_angle, z = SMALL.crystal_angles_rad(), SMALL.ring_z_mm()
    position = SMALL.radius_mm * np.stack([np.sin(crystal_angle), -np.cos(crystal_angle)], axis=-1)
    pairs = sampling.crystal_pairs()
    view, radial = (index.ravel() for index in np.indices(sampling.shape[:2]))
    for plane, ring_a, ring_b in ring_pairs(sampling):
        ends = sampling.end_points_mm(view, radial, np.full(view.size, plane))
        for side, ring in enumerate((ring_a, ring_b)):
            assert np.allclose(ends[:, side, :2], position[pairs[view, radial, 0, side]])
            assert np.allclose(ends[:, side, 2], z[ring])


def test_first_view_is_vertical_and_its_bins_go_to_the_left():
    sampling = sampling_of(BIOGRAPH_MMR, span=1, max_ring_difference=0)
    middle = 172
    assert sampling.angles_rad[0, middle] == 0
    assert sampling.offsets_mm[middle] == 0
    # The central bin width that the scanner's STIR header states.
    assert sampling.offsets_mm[middle + 1] == pytest.approx(2.08815, abs=1e-4)


def test_mashing_averages_lines():
    fine = sampling_of(SMALL, span=3, max_ring_difference=4, radial_bins=12)
    mashed = sampling_of(SMALL, span=3, max_ring_difference=4, radial_bins=6, view_mashing=3, radial_mashing=2)
    assert mashed.shape == (4, 6, fine.planes)
    assert np.allclose(mashed.offsets_mm, fine.offsets_mm.reshape(6, 2).mean(axis=1))
    assert np.allclose(mashed.angles_rad, fine.angles_rad.reshape(4, 3, 6, 2).mean(axis=(1, 3)))
    assert mashed.crystal_pairs().shape == (4, 6, 6, 2)
    assert np.array_equal(
        mashed.crystal_pairs().reshape(4, 6, 3, 2, 2), fine.crystal_pairs().reshape(4, 3, 6, 2, 2).swapaxes(1, 2)
    )


def test_arc_corrected_bins_are_evenly_spaced():
    sampling = SinogramSampling(
        scanner=SMALL, segments=michelogram(5, 3, 1), radial_bins=11, view_mashing=2, bin_width_mm=3.5
    )
    assert np.allclose(np.diff(sampling.offsets_mm), 3.5)
    assert np.ptp(sampling.angles_rad, axis=1).max() == 0
    with pytest.raises(InvalidInputError, match="arc-corrected"):
        sampling.crystal_pairs()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"span": 4}, "span: is 4; expected 2 or an odd number"),
        ({"span": 11}, "reaches ring difference 5"),
        ({"max_ring_difference": 5}, "expected 0 to 4"),
        ({"view_mashing": 5}, "expected a divisor of 12 views"),
        ({"radial_bins": 24}, "do not fit on a ring of 24 crystals"),
        ({"radial_bins": 16}, "16 bins of 1 are more than the 15 that small measures"),
    ],
)
def test_impossible_compressions_are_refused(changes, message):
    with pytest.raises(InvalidInputError, match=message):
        sampling_of(SMALL, **{"span": 3, "max_ring_difference": 4, **changes})


def test_gaps_between_blocks_detect_nothing():
    live = BIOGRAPH_MMR.live_crystals()
    assert live.shape == (504, 64)
    assert live.sum() == 56 * 8 * 64


def test_unknown_scanner_lists_the_known():
    with pytest.raises(UnknownOptionError, match=r"did you mean 'biograph_mmr'.*known: biograph_mmr, discovery_mi"):
        scanner("biograph_mr")
