"""Siemens PETLINK list mode of 32-bit words, histogrammed into a `Sinogram`.

Bit 31 of a word tells events (0) from tags (1); bit 30 of an event prompts (1) from delayed coincidences (0); the
other bits are the address bin + bins · (view + views · plane) in a sinogram of span 1, whose segments follow each other
as ring differences 0, -1, +1, -2, +2 and so on, rings counted from the head. A tag that begins with the bits 100 is a
time in milliseconds. Sources: PETLINK guideline (Siemens); order of segments and rings as STIR reads the format.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pellucid.acquisition import Acquisition
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.image import Provenance
from pellucid.modalities.nuclear.acquisition import Sinogram
from pellucid.modalities.nuclear.detection import pair_sums
from pellucid.modalities.nuclear.readers.interfile_header import Header, looks_like_interfile, read_header
from pellucid.modalities.nuclear.sampling import SinogramSampling, sampling_of
from pellucid.modalities.nuclear.scanner import BIOGRAPH_MMR, Scanner
from pellucid.modalities.nuclear.tracer import NUCLIDES, Injection
from pellucid.modality import Reader, software
from pellucid.study import StudyContext

SPAN, VIEW_MASHING, RADIAL_MASHING = 11, 3, 2
"""Compression of the sinogram that is made: 84 views, 172 bins of 4.2 mm, all segments."""
_EVENTS_AT_ONCE = 1 << 22
_EVENT_BITS = (1 << 30) - 1
_TIME_TAG = 0b100


def sniff(head: bytes, name: str) -> bool:  # noqa: ARG001 (the content says it all)
    """Whether this is the header of a PETLINK list-mode file."""
    return looks_like_interfile(head) and b"PETLINK bin address" in head


def read(path: Path) -> list[Acquisition]:
    """The list mode that a header (`.hdr`) describes as one sinogram, without normalisation or attenuation.

    Prompts are counted; randoms are estimated from the delayed coincidences of each crystal and each ring (fan
    sums), which are far less noisy than those of each bin. The duration is that of the time tags. Raises
    `InvalidInputError` naming file and field, `UnsupportedError` for scanners other than the Biograph mMR.
    """
    header = read_header(path)
    scanner = _scanner(header)
    sampling = sampling_of(
        scanner,
        span=SPAN,
        max_ring_difference=header.whole("%maximum ring difference"),
        view_mashing=VIEW_MASHING,
        radial_mashing=RADIAL_MASHING,
    )
    words = _words(header)
    most = header.whole("%maximum ring difference")
    prompts, delayed, milliseconds = _histogram(words, sampling, most, header.path)
    injection, start = _injection(header)
    sinogram = Sinogram(
        sampling=sampling,
        prompts=prompts,
        randoms=_smooth_randoms(delayed, sampling),
        start=start,
        duration_s=max(milliseconds, 1) / 1000,
        injection=injection,
        study=_study(header, start),
        description=f"{scanner.name} list mode {path.name.partition('.')[0]}",
        provenance=Provenance(operation="read", method="petlink", sources=(path.name,), software=software()),
    )
    return [sinogram]


def _scanner(header: Header) -> Scanner:
    """The preset, where the header describes it."""
    known = BIOGRAPH_MMR
    found = {
        "number of rings": known.rings,
        "%number of projections": known.radial_bins,
        "%number of views": known.crystals_per_ring // 2,
        "%axial compression": 1,
        "%number of tof time bins": 1,
        "%lm event and tag words format (bits)": 32,
    }
    for key, expected in found.items():
        value = header.whole(key)
        if value != expected:
            raise UnsupportedError(
                f"is {value}; only the {known.name} with {expected} is handled", file=header.path, field=key
            )
    return known


def _study(header: Header, start: str) -> StudyContext:
    """When, and how the patient lay; marked as assumed where the header does not say."""
    position = header.text("%patient orientation", "").upper()
    if position not in ("HFS", ""):
        raise UnsupportedError(f"is {position}; only HFS is handled", file=header.path, field="%patient orientation")
    study = StudyContext(study_date=start[:8], study_time=start[8:])
    return study if position else study.with_assumed_position()


def _words(header: Header) -> NDArray[np.uint32]:
    """The file's words, mapped and not read."""
    name = header.text("name of data file")
    path = header.path.parent / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise InvalidInputError(
            f"is {name!r}; expected a file beside the header", file=header.path, field="name of data file"
        )
    try:
        length = path.stat().st_size
        if length == 0 or length % 4:
            raise InvalidInputError(f"has {length} bytes; expected words of 4. Truncated?", file=path)
        return np.memmap(path, "<u4", "r")
    except OSError as error:
        raise InvalidInputError(
            f"names {name!r}, which cannot be read ({error.strerror})", file=header.path, field="name of data file"
        ) from error


def _histogram(
    words: NDArray[np.uint32], sampling: SinogramSampling, most: int, path: Path
) -> tuple[NDArray[np.float32], tuple[NDArray[np.int64], NDArray[np.int64]], int]:
    """Prompts by bin; delayed coincidences by crystal and by ring; milliseconds between the time tags."""
    scanner = sampling.scanner
    planes, ring_a, ring_b = _planes_of_addresses(sampling, most)
    prompts = np.zeros(sampling.shape, np.float32)
    by_crystal, by_ring = np.zeros(scanner.crystals_per_ring, np.int64), np.zeros(scanner.rings, np.int64)
    first_time, last_time = None, 0
    for begin in range(0, words.size, _EVENTS_AT_ONCE):
        part = np.asarray(words[begin : begin + _EVENTS_AT_ONCE])
        times = part[part >> 29 == _TIME_TAG] & ((1 << 29) - 1)
        if times.size:
            first_time = int(times[0]) if first_time is None else first_time
            last_time = int(times[-1])
        events = part[part >> 31 == 0]
        address, prompt = (events & _EVENT_BITS).astype(np.int64), (events >> 30).astype(bool)
        rest, radial = np.divmod(address, scanner.radial_bins)
        sinogram, view = np.divmod(rest, scanner.crystals_per_ring // 2)
        if sinogram.size and sinogram.max() >= planes.size:
            raise InvalidInputError(
                f"holds an event of sinogram {sinogram.max()}; the header's ring differences make {planes.size}",
                file=path,
            )
        kept = prompt & (planes[sinogram] >= 0)
        bins = (view[kept] // VIEW_MASHING, radial[kept] // RADIAL_MASHING, planes[sinogram[kept]])
        flat = np.ravel_multi_index(bins, sampling.shape)
        prompts += np.bincount(flat, minlength=prompts.size).reshape(prompts.shape)
        for crystal in _crystals(view[~prompt], radial[~prompt], scanner):
            by_crystal += np.bincount(crystal, minlength=by_crystal.size)
        for ring in (ring_a[sinogram[~prompt]], ring_b[sinogram[~prompt]]):
            by_ring += np.bincount(ring, minlength=by_ring.size)
    if first_time is None:
        raise InvalidInputError("holds no time tag: not list mode, or truncated", file=path, field="name of data file")
    return prompts, (by_crystal, by_ring), last_time - first_time + 1


def _crystals(
    view: NDArray[np.int64], radial: NDArray[np.int64], scanner: Scanner
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Both crystals of unmashed bins."""
    t, count = radial - scanner.radial_bins // 2, scanner.crystals_per_ring
    return (view + (t >> 1)) % count, (view - ((t + 1) >> 1) + count // 2) % count


def _planes_of_addresses(sampling: SinogramSampling, most: int) -> tuple[NDArray[np.int64], ...]:
    """Plane of the sinogram that is made (-1: none) and both rings, for each plane of span 1 up to `most`."""
    rings = sampling.scanner.rings
    plane_of = np.full((rings, rings), -1, np.int64)
    for difference, ring_a, count, plane, step in sampling.diagonals():
        index = np.arange(count)
        plane_of[ring_a + index, ring_a + index + difference] = plane + step * index
    order = [0, *(sign * d for d in range(1, most + 1) for sign in (-1, 1))]
    pairs = [(max(0, -d) + i, max(0, d) + i) for d in order for i in range(rings - abs(d))]
    # Rings are counted from the head in the file, from the feet here.
    ring_a, ring_b = (rings - 1 - np.array(side, np.int64) for side in zip(*pairs, strict=True))
    return plane_of[ring_a, ring_b], ring_a, ring_b


def _smooth_randoms(
    delayed: tuple[NDArray[np.int64], NDArray[np.int64]], sampling: SinogramSampling
) -> NDArray[np.float32]:
    """Randoms of every bin from fan sums: r_ab ∝ s_a s_b with s the delayed counts of a crystal and of a ring.

    Casey and Hoffman, J Comput Assist Tomogr 1986;10:845. The total is that of the delayed coincidences.
    """
    by_crystal, by_ring = (counts.astype(np.float64) for counts in delayed)
    estimate = pair_sums(sampling, by_crystal[:, None] * by_ring[None, :])
    total = float(estimate.sum(dtype=np.float64))
    if total == 0:
        return np.zeros(sampling.shape, np.float32)
    return estimate * np.float32(by_crystal.sum() / 2 / total)


def _injection(header: Header) -> tuple[Injection | None, str]:
    """What the header says was injected, and when the scan began."""
    start = _date_time(header, "%study date (yyyy:mm:dd)", "%study time (hh:mm:ss gmt+00:00)")
    injected = _date_time(header, "%tracer injection date (yyyy:mm:dd)", "%tracer injection time (hh:mm:ss gmt+00:00)")
    activity = header.number("tracer activity at time of injection (bq)", 0.0)
    name = header.text("isotope name", "")
    if not (injected and activity > 0 and name):
        return None, start
    known = NUCLIDES.get(name)
    injection = Injection(
        tracer=header.text("radiopharmaceutical", "").lower(),
        nuclide=name,
        half_life_s=header.number("isotope gamma halflife (sec)", known.half_life_s if known else None),
        positron_fraction=header.number("isotope branching factor", known.positron_fraction if known else None),
        activity_bq=activity,
        time=injected,
    )
    return injection, start


def _date_time(header: Header, date: str, time: str) -> str:
    """YYYYMMDDHHMMSS, "" where the header has none."""
    text = (header.text(date, "") + header.text(time, "")).replace(":", "")
    return text if len(text) == len("YYYYMMDDHHMMSS") and text.isdigit() else ""


READER = Reader("petlink", "Siemens PETLINK 32-bit list mode", (".hdr",), sniff, read)
