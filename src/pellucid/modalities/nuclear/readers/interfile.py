"""STIR's Interfile: PET projection data as a `Sinogram`, images as an `Image`.

STIR's gantry axes for a head-first supine patient are x to the left, y to posterior and z to the feet, rings counted
from the head; here z and rings go to the head. So planes and the sign of ring differences are reversed on reading.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.acquisition import Acquisition
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.image import Image, Provenance
from pellucid.modalities.nuclear.acquisition import Sinogram
from pellucid.modalities.nuclear.readers.interfile_header import (
    Header,
    head_first_supine,
    looks_like_interfile,
    read_data,
    read_header,
)
from pellucid.modalities.nuclear.sampling import Segment, SinogramSampling
from pellucid.modalities.nuclear.scanner import Scanner
from pellucid.modality import Reader, software
from pellucid.study import StudyContext
from pellucid.units import quantity

_MOST_NUMBERS = 2**31
"""More numbers than this in one file are refused before memory is taken."""


def sniff(head: bytes, name: str) -> bool:  # noqa: ARG001 (the content says it all)
    """Whether this is an Interfile header, and not of a PET image or of list mode."""
    text = " ".join(head.decode("latin-1").lower().split())
    no_sinogram = ("pet data type := image", "pet data type:=image", "petlink bin address")
    return looks_like_interfile(head) and not any(words in text for words in no_sinogram)


def read(path: Path) -> list[Acquisition]:
    """The sinogram that an Interfile header (`.hs`) describes, without normalisation: images are arbitrary units.

    Raises `InvalidInputError` naming file and field, `UnsupportedError` for time of flight, several frames, SPECT,
    other patient positions.
    """
    header = read_header(path)
    study = head_first_supine(header, StudyContext())
    _refuse_what_is_not_handled(header)
    sampling, layout = _sampling(header)
    lengths = np.diff(sampling.first_planes)
    count = sampling.views * sampling.radial_bins * int(lengths.sum())
    if count > _MOST_NUMBERS:
        raise InvalidInputError(f"describes {count} numbers; at most {_MOST_NUMBERS} are read", file=path)
    data = read_data(header, count)
    prompts = np.empty(sampling.shape, data.dtype if data.dtype.kind in "iu" else np.float32)
    start = 0
    for first, length in zip(sampling.first_planes, lengths, strict=False):
        size = sampling.views * int(length) * sampling.radial_bins
        prompts[:, :, first : first + length] = _segment(data[start : start + size], sampling, int(length), layout)
        start += size
    try:
        sinogram = Sinogram(
            sampling=sampling,
            prompts=prompts,
            duration_s=_duration_s(header),
            study=study,
            description=header.text("originating system", "") or path.stem,
            provenance=Provenance(operation="read", method="interfile", sources=(path.name,), software=software()),
        )
    except InvalidInputError as error:
        raise InvalidInputError(str(error), file=path) from error
    return [sinogram]


def _refuse_what_is_not_handled(header: Header) -> None:
    path = header.path
    if "pet" not in header.text("type of data", header.text("imaging modality", "")).lower():
        raise UnsupportedError("is not PET; SPECT and planar data are not handled", file=path, field="type of data")
    kind = header.text("pet data type", "Emission").lower()
    if kind != "emission":
        raise UnsupportedError(f"is {kind}; expected Emission projection data", file=path, field="PET data type")
    if "list" in header.text("data format", "").lower():
        raise UnsupportedError("is list mode; expected a sinogram", file=path, field="data format")
    _refuse_template(header)
    if header.whole("number of time frames", 1) != 1:
        raise UnsupportedError("more than one is not handled; split the file", file=path, field="number of time frames")
    if header.whole("number of dimensions", 4) != 4:
        raise UnsupportedError(
            "is not 4; time-of-flight sinograms are not handled, add up the timing positions first",
            file=path,
            field="number of dimensions",
        )


def _refuse_template(header: Header) -> None:
    """STIR's templates describe a scanner alone: their data file is the header itself, empty or absent."""
    name = header.text("name of data file")
    data = header.path.parent / Path(name).name
    if data == header.path or not data.exists() or data.stat().st_size == 0:
        if data == header.path or data.exists():
            state = (
                f"{'the header itself' if data == header.path else 'empty'} (0 bytes of data). A template without data?"
            )
        else:
            state = f"absent. Give {header.path.name} and {data.name} together; a template without data has no signal"
        raise UnsupportedError(
            f"names {name!r}, which cannot be read: it is {state}",
            file=header.path,
            field="name of data file",
        )


def _sampling(header: Header) -> tuple[SinogramSampling, str]:
    """What was measured, and whether a segment is stored by "view" or by "sinogram"."""
    axes = {header.text(f"matrix axis label [{i}]").lower(): i for i in range(1, 5)}
    expected = {"tangential coordinate": 1, "segment": 4}
    if any(axes.get(name) != place for name, place in expected.items()) or not {"view", "axial coordinate"} <= set(
        axes
    ):
        raise UnsupportedError(
            f"are {list(axes)}; expected tangential coordinate, view and axial coordinate in either order, segment",
            file=header.path,
            field="matrix axis label",
        )
    views = header.whole(f"matrix size [{axes['view']}]")
    minimum, maximum = (header.numbers(f"{end} ring difference per segment") for end in ("minimum", "maximum"))
    planes = header.numbers(f"matrix size [{axes['axial coordinate']}]")
    if not len(minimum) == len(maximum) == len(planes) == header.whole("matrix size [4]"):
        raise InvalidInputError(
            f"lists {len(minimum)} and {len(maximum)} ring differences and {len(planes)} plane counts for "
            f"{header.whole('matrix size [4]')} segments",
            file=header.path,
            field="segments",
        )
    segments = _segments(header, list(zip(minimum, maximum, planes, strict=True)))
    return _described(header, views, segments), "view" if axes["view"] == 3 else "sinogram"


def _segments(header: Header, described: list[tuple[int, int, int]]) -> tuple[Segment, ...]:
    """Segments of a least and largest ring difference and so many planes each.

    Rings are counted from the other end: d becomes -d. STIR puts the planes of a segment symmetrically about the
    scanner's middle, so fewer than the rings have (single-slice templates) are the middle ones.
    """
    rings = header.whole("number of rings")
    whole = [Segment(-high, -low) for low, high, _ in described]
    have = [segment.planes_of(rings) for segment in whole]
    planes = [count for _, _, count in described]
    if any(not 1 <= count <= most or (most - count) % 2 for count, most in zip(planes, have, strict=True)):
        raise InvalidInputError(
            f"are {planes}; these ring differences on {rings} rings have {have}, or as many fewer at either end",
            file=header.path,
            field="axial coordinate",
        )
    return tuple(
        segment if count == most else replace(segment, measured=count)
        for segment, count, most in zip(whole, planes, have, strict=True)
    )


def _described(header: Header, views: int, segments: tuple[Segment, ...]) -> SinogramSampling:
    """The sampling; whatever contradicts itself in it is the file's fault."""
    try:
        scanner = _scanner(header)
        return SinogramSampling(
            scanner=scanner,
            segments=segments,
            radial_bins=header.whole("matrix size [1]"),
            view_mashing=_view_mashing(header, scanner, views),
            bin_width_mm=_bin_width_mm(header),
        )
    except InvalidInputError as error:
        raise error if error.file else InvalidInputError(str(error), file=header.path) from error


def _view_mashing(header: Header, scanner: Scanner, views: int) -> int:
    half = scanner.crystals_per_ring // 2
    if views < 1 or half % views:
        raise InvalidInputError(
            f"is {views}; expected a divisor of {half}", file=header.path, field="matrix size (view)"
        )
    return half // views


def _scanner(header: Header) -> Scanner:
    """The scanner's geometry as the header states it (older headers lack the radius and are refused)."""
    rings = header.whole("number of rings")
    low = header.number("energy window lower level [1]", 0.0)
    high = header.number("energy window upper level [1]", 0.0)
    return Scanner(
        name=header.text("scanner type", header.text("originating system", "unknown")) or "unknown",
        rings=rings,
        crystals_per_ring=header.whole("number of detectors per ring"),
        ring_pitch_mm=10 * header.number("distance between rings (cm)"),
        inner_radius_mm=5 * header.number("inner ring diameter (cm)"),
        interaction_depth_mm=10 * header.number("average depth of interaction (cm)"),
        radial_bins=header.whole("maximum number of non-arc-corrected bins", header.whole("matrix size [1]")),
        view_offset_deg=header.number("view offset (degrees)", 0.0),
        energy_resolution=max(0.0, header.number("energy resolution", header.number("energy_resolution", 0.0))),
        energy_window_kev=(low, high),
        source="Interfile header",
    )


def _bin_width_mm(header: Header) -> float | None:
    """Spacing of arc-corrected bins; None where bins lie as the crystals do."""
    if "arc correct" not in header.text("applied corrections", "").lower():
        return None
    width = header.number("effective central bin size (cm)", header.number("default bin size (cm)", 0.0))
    if not width > 0:
        raise InvalidInputError(
            "is needed for arc-corrected data", file=header.path, field="effective central bin size (cm)"
        )
    return 10 * width


def _segment(data: NDArray[Any], sampling: SinogramSampling, planes: int, layout: str) -> NDArray[Any]:
    """One segment as `[view, radial, plane]`, planes from the feet to the head."""
    if layout == "view":
        by_view = data.reshape(sampling.views, planes, sampling.radial_bins).transpose(0, 2, 1)
    else:
        by_view = data.reshape(planes, sampling.views, sampling.radial_bins).transpose(1, 2, 0)
    return by_view[:, :, ::-1]


def _duration_s(header: Header) -> float:
    """The frame's duration, 1 s where the header does not know it (nothing is calibrated then)."""
    value = header.number("image duration (sec) [1]", -1.0)
    return value if value > 0 else 1.0


def read_image(path: Path, *, quantity_name: str = "arbitrary") -> Image:
    """The image that an Interfile header (`.hv`) describes, in LPS with the scanner's centre at the origin.

    `quantity_name`: what its numbers are (Interfile does not say), such as `attenuation_coefficient`. Without a
    first pixel offset the image is centred in its plane and starts at the first ring, which STIR means; its middle
    slice is put at z = 0. Raises `InvalidInputError` naming file and field.
    """
    header = read_header(path)
    study = head_first_supine(header, StudyContext())
    labels = [header.text(f"matrix axis label [{i}]", name).lower() for i, name in ((1, "x"), (2, "y"), (3, "z"))]
    if labels != ["x", "y", "z"] or header.whole("number of dimensions", 3) != 3:
        raise UnsupportedError(f"are {labels}; expected x, y, z", file=path, field="matrix axis label")
    shape = tuple(header.whole(f"matrix size [{i}]") for i in (3, 2, 1))
    if min(shape) < 1 or math.prod(shape) > _MOST_NUMBERS:
        raise InvalidInputError(f"is {shape}; expected 1 to {_MOST_NUMBERS} voxels", file=path, field="matrix size")
    spacing = [header.number(f"scaling factor (mm/pixel) [{i}]") for i in (3, 2, 1)]
    if not min(spacing) > 0:
        raise InvalidInputError(f"is {spacing}; expected > 0 [mm]", file=path, field="scaling factor (mm/pixel)")
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, spacing[2]], [0, spacing[1], 0], [spacing[0], 0, 0]])
    default = [-(n - 1) / 2 * d for n, d in zip(shape, spacing, strict=True)]
    for row, axis in ((0, 1), (1, 2)):
        affine[row, 3] = header.number(f"first pixel offset (mm) [{axis}]", default[2 - row])
    affine[2, 3] = default[0]
    array = read_data(header, math.prod(shape)).reshape(shape)
    return Image(
        # Slices are stored from the head to the feet.
        array=np.ascontiguousarray(array[::-1], np.float32),
        affine=affine,
        quantity=quantity(quantity_name),
        modality="PT",
        study=study,
        description=path.stem,
        provenance=Provenance(operation="read", method="interfile", sources=(path.name,), software=software()),
    )


READER = Reader("interfile", "Interfile PET projection data (STIR)", (".hs",), sniff, read)
