"""Which lines of response a PET sinogram holds: views, radial bins, and the planes of a Michelogram.

    x cos φ + y sin φ = s,   z = z_plane + l tan θ,   l along (-sin φ, cos φ) from the foot of the normal

φ and s come from crystal pairs (a, b): φ = π (a + b - N/2)/N, s = R sin(π (a - b + N/2)/N); neighbouring radial
bins are interleaved, turned by half a view. z is half the sum of the two rings, tan θ their difference d = r_b - r_a
times the ring pitch over the chord.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError
from pellucid.modalities.nuclear.scanner import Scanner


@dataclass(frozen=True)
class Segment:
    """Planes whose ring differences d = r_b - r_a lie in `minimum` … `maximum` (one sign, or around 0).

    `measured`: how many of these planes were measured, those in the middle; None for all.
    """

    minimum: int
    maximum: int
    measured: int | None = None

    @property
    def mean(self) -> float:
        """The ring difference that stands for all."""
        return (self.minimum + self.maximum) / 2

    @property
    def nearest(self) -> int:
        """The smallest |d|."""
        return 0 if self.minimum <= 0 <= self.maximum else min(abs(self.minimum), abs(self.maximum))

    @property
    def step(self) -> int:
        """Planes are this many half ring pitches apart: 1, or 2 where one ring difference stands alone."""
        return 2 if self.minimum == self.maximum else 1

    def planes_of(self, rings: int) -> int:
        """How many planes so many rings have, measured or not."""
        return max(0, 2 * (rings - 1 - self.nearest) // self.step + 1)

    def ring_sums(self, rings: int) -> NDArray[np.int64]:
        """r_a + r_b of each measured plane, counted from ring 0."""
        whole = self.planes_of(rings)
        measured = whole if self.measured is None else self.measured
        return self.nearest + self.step * ((whole - measured) // 2 + np.arange(measured))

    def check(self, rings: int) -> None:
        """Raise `InvalidInputError` where a scanner of so many rings has no such planes."""
        if self.minimum > self.maximum or self.nearest >= rings:
            raise InvalidInputError(
                f"{self.minimum} to {self.maximum} does not exist on {rings} rings", field="segments"
            )
        whole = self.planes_of(rings)
        measured = whole if self.measured is None else self.measured
        if not 1 <= measured <= whole or (whole - measured) % 2:
            raise InvalidInputError(
                f"{self.minimum} to {self.maximum} has {measured} planes; expected the {whole} of {rings} rings, or as "
                "many fewer at either end",
                field="segments",
            )


def michelogram(rings: int, span: int, max_ring_difference: int) -> tuple[Segment, ...]:
    """Segments of axial compression `span` in the order 0, +1, -1, +2, -2 and so on.

    Odd span: segment k holds d = kS - (S-1)/2 … kS + (S-1)/2. Span 2 (the mixed compression of GE): segment 0
    holds -1 … 1 and segment k holds 2k, 2k + 1. Segments that are not complete within `max_ring_difference`
    are left out. Raises `InvalidInputError` for other spans and for ring differences that do not exist.
    """
    if (span != 2 and span % 2 == 0) or span < 1:
        raise InvalidInputError(f"is {span}; expected 2 or an odd number", field="span")
    if not 0 <= max_ring_difference < rings:
        raise InvalidInputError(f"is {max_ring_difference}; expected 0 to {rings - 1}", field="max_ring_difference")
    half = (span - 1) // 2 if span != 2 else 1
    if half > max_ring_difference:
        raise InvalidInputError(
            f"is {span}, whose first segment reaches ring difference {half}; expected at most {max_ring_difference} "
            "(max_ring_difference)",
            field="span",
        )
    segments = [Segment(-half, half)]
    low = half + 1
    while low + span - 1 <= max_ring_difference:
        segments += [Segment(low, low + span - 1), Segment(-low - span + 1, -low)]
        low += span
    return tuple(segments)


@dataclass(frozen=True, kw_only=True)
class SinogramSampling:
    """The lines of response of a sinogram `[view, radial, plane]`.

    `view_mashing` neighbouring views and `radial_mashing` neighbouring bins are added into one; `radial_bins`
    counts bins after that, centred on the axis. `bin_width_mm`: spacing of arc-corrected bins, None where bins
    lie where the crystals put them. `view_step`: every so many-th view is there, from the first one on. Planes follow
    each other segment by segment.
    """

    scanner: Scanner
    segments: tuple[Segment, ...]
    radial_bins: int
    view_mashing: int = 1
    radial_mashing: int = 1
    bin_width_mm: float | None = None
    view_step: int = 1

    def __post_init__(self) -> None:
        half = self.scanner.crystals_per_ring // 2
        if self.view_mashing < 1 or half % self.view_mashing:
            raise InvalidInputError(f"is {self.view_mashing}; expected a divisor of {half} views", field="view_mashing")
        if not 1 <= self.view_step <= half // self.view_mashing:
            raise InvalidInputError(
                f"is {self.view_step}; expected 1 to the number of views, {half // self.view_mashing}",
                field="view_step",
            )
        if self.radial_mashing < 1 or self.radial_bins < 1 or self.fine_bins >= self.scanner.crystals_per_ring:
            raise InvalidInputError(
                f"{self.radial_bins} bins of {self.radial_mashing} do not fit on a ring of "
                f"{self.scanner.crystals_per_ring} crystals",
                field="radial_bins",
            )
        if self.bin_width_mm is None and self.fine_bins > self.scanner.radial_bins:
            raise InvalidInputError(
                f"{self.radial_bins} bins of {self.radial_mashing} are more than the {self.scanner.radial_bins} that "
                f"{self.scanner.name} measures",
                field="radial_bins",
            )
        if self.bin_width_mm is not None:
            if self.radial_mashing != 1 or not self.bin_width_mm > 0:
                raise InvalidInputError("arc-corrected bins have a width > 0 and are not mashed", field="bin_width_mm")
            if self.radial_bins / 2 * self.bin_width_mm >= self.scanner.radius_mm:
                raise InvalidInputError(f"{self.radial_bins} bins reach beyond the crystals", field="bin_width_mm")
        if not self.segments:
            raise InvalidInputError("is empty; expected at least one segment", field="segments")
        for segment in self.segments:
            segment.check(self.scanner.rings)

    @property
    def fine_bins(self) -> int:
        """Radial bins before mashing."""
        return self.radial_bins * self.radial_mashing

    @property
    def views(self) -> int:
        """Views over half a turn."""
        return -(-(self.scanner.crystals_per_ring // 2 // self.view_mashing) // self.view_step)

    @property
    def planes(self) -> int:
        """Planes of all segments."""
        return sum(len(segment.ring_sums(self.scanner.rings)) for segment in self.segments)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Views, radial bins, planes."""
        return self.views, self.radial_bins, self.planes

    @property
    def plane_pitch_mm(self) -> float:
        """Half the ring pitch: the spacing of the finest grid on which every plane lies."""
        return self.scanner.ring_pitch_mm / 2

    @cached_property
    def first_planes(self) -> tuple[int, ...]:
        """Index of the first plane of each segment, and after the last one the number of planes."""
        counts = [len(segment.ring_sums(self.scanner.rings)) for segment in self.segments]
        return tuple(int(n) for n in np.concatenate([[0], np.cumsum(counts)]))

    @cached_property
    def plane_z_mm(self) -> NDArray[np.float64]:
        """Axial middle of every plane, 0 at the scanner's centre."""
        sums = np.concatenate([segment.ring_sums(self.scanner.rings) for segment in self.segments])
        return np.asarray((sums - (self.scanner.rings - 1)) * self.plane_pitch_mm, np.float64)

    @cached_property
    def plane_ring_difference(self) -> NDArray[np.float64]:
        """Mean ring difference of every plane's segment."""
        return np.repeat([segment.mean for segment in self.segments], np.diff(self.first_planes))

    def fine_radial_indices(self) -> NDArray[np.int64]:
        """Radial index t = a - b + N/2 of each unmashed bin, `[radial, within]`."""
        return (np.arange(self.fine_bins) - self.fine_bins // 2).reshape(self.radial_bins, self.radial_mashing)

    @cached_property
    def offsets_mm(self) -> NDArray[np.float64]:
        """Distance s of each radial bin's lines from the axis."""
        if self.bin_width_mm is not None:
            return np.asarray((np.arange(self.radial_bins) - self.radial_bins // 2) * self.bin_width_mm, np.float64)
        beta = np.pi * self.fine_radial_indices() / self.scanner.crystals_per_ring
        return np.asarray(self.scanner.radius_mm * np.sin(beta).mean(axis=1), np.float64)

    @cached_property
    def half_chords_mm(self) -> NDArray[np.float64]:
        """Distance from the foot of the normal to either crystal, per radial bin."""
        return np.asarray(np.sqrt(self.scanner.radius_mm**2 - self.offsets_mm**2), np.float64)

    @cached_property
    def angles_rad(self) -> NDArray[np.float64]:
        """φ of each bin, `[view, radial]`."""
        unit = math.pi / self.scanner.crystals_per_ring
        view = 2 * (self._first_fine_views() + (self.view_mashing - 1) / 2)
        odd = (self.fine_radial_indices() & 1).mean(axis=1) if self.bin_width_mm is None else np.zeros(self.radial_bins)
        angles = np.asarray((view[:, None] - odd) * unit + math.radians(self.scanner.view_offset_deg), np.float64)
        return angles

    def _first_fine_views(self) -> NDArray[np.int64]:
        """The first unmashed view of every view."""
        return np.arange(self.views) * (self.view_mashing * self.view_step)

    def crystal_pairs(self) -> NDArray[np.int32]:
        """Crystals (a, b) added into each bin, `[view, radial, pair, 2]`."""
        if self.bin_width_mm is not None:
            raise InvalidInputError("arc-corrected bins belong to no single crystal pair", field="bin_width_mm")
        crystals = self.scanner.crystals_per_ring
        fine = self.fine_radial_indices()[None, :, None, :]
        view = (self._first_fine_views()[:, None] + np.arange(self.view_mashing)).reshape(
            self.views, 1, self.view_mashing, 1
        )
        first = (view + (fine >> 1)) % crystals
        second = (view - ((fine + 1) >> 1) + crystals // 2) % crystals
        pairs = np.stack(np.broadcast_arrays(first, second), axis=-1)
        return pairs.reshape(self.views, self.radial_bins, -1, 2).astype(np.int32)

    def diagonals(self) -> NDArray[np.int32]:
        """The ring pairs of every plane, one row for each ring difference.

        A row is: ring difference d, first ring r_a, rings, plane of (r_a, r_a + d), planes from ring to ring.
        """
        rings, rows = self.scanner.rings, []
        for first, segment in zip(self.first_planes, self.segments, strict=False):
            sums = segment.ring_sums(rings)
            for difference in range(segment.minimum, segment.maximum + 1):
                ring_a = max(0, -difference, -((difference - int(sums[0])) // 2))
                last = min(rings - 1 - max(0, difference), (int(sums[-1]) - difference) // 2)
                if last >= ring_a:
                    plane = first + (2 * ring_a + difference - int(sums[0])) // segment.step
                    rows.append((difference, ring_a, last - ring_a + 1, plane, 2 // segment.step))
        return np.array(rows, np.int32)

    def end_points_mm(
        self, view: NDArray[np.int64], radial: NDArray[np.int64], plane: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Both ends (at crystal a, at crystal b) of bins' lines in scanner coordinates, `[…, 2, (x, y, z)]`."""
        angle, offset = self.angles_rad[view, radial], self.offsets_mm[radial]
        half = self.half_chords_mm[radial]
        rise = self.plane_ring_difference[plane] * self.plane_pitch_mm
        foot = np.stack([offset * np.cos(angle), offset * np.sin(angle), self.plane_z_mm[plane]], axis=-1)
        to_b = np.stack([-half * np.sin(angle), half * np.cos(angle), rise], axis=-1)
        return np.stack([foot - to_b, foot + to_b], axis=-2)


def sampling_of(
    scanner: Scanner,
    *,
    span: int,
    max_ring_difference: int,
    radial_bins: int | None = None,
    view_mashing: int = 1,
    radial_mashing: int = 1,
) -> SinogramSampling:
    """The sampling of `scanner` at an axial compression; `radial_bins` None keeps all the scanner has."""
    return SinogramSampling(
        scanner=scanner,
        segments=michelogram(scanner.rings, span, max_ring_difference),
        radial_bins=radial_bins or scanner.radial_bins // radial_mashing,
        view_mashing=view_mashing,
        radial_mashing=radial_mashing,
    )
