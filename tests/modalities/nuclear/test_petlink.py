"""PETLINK list mode: a real file's counts, events placed by hand, broken files."""

import numpy as np
import pytest

from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.modalities.nuclear import MODALITY
from pellucid.modalities.nuclear.readers import petlink

REAL = "nuclear/stir/PET_ACQ_small.l.hdr.STIR"
HEADER = """!INTERFILE:=
%SMS-MI header name space:=PETLINK bin address
name of data file := events.l
%study date (yyyy:mm:dd):=2017:03:27
%study time (hh:mm:ss GMT+00:00):=17:00:35
isotope name:=F-18
isotope gamma halflife (sec):=6586.2
isotope branching factor:=0.97
radiopharmaceutical:=FDG
tracer activity at time of injection (Bq):=4.65e+007
%tracer injection date (yyyy:mm:dd):=2017:03:27
%tracer injection time (hh:mm:ss GMT+00:00):=16:07:00
%patient orientation:=HFS
number of rings:=64
%number of TOF time bins:=1
%LM event and tag words format (bits):=32
%axial compression:=1
%maximum ring difference:=60
%number of projections:=344
%number of views:=252
"""


def event(radial, view, sinogram, *, prompt=True):
    return (int(prompt) << 30) | (radial + 344 * (view + 252 * sinogram))


def write(folder, words, header=HEADER):
    np.array(words, "<u4").tofile(folder / "events.l")
    path = folder / "events.hdr"
    path.write_text(header)
    return path


def read(path):
    (sinogram,) = petlink.read(path)
    return sinogram


def test_real_file(real_data):
    sinogram = read(real_data(REAL))
    assert sinogram.prompts.sum() == 218_881
    assert sinogram.randoms.sum(dtype=float) == pytest.approx(35_320, rel=1e-4)
    # Time tags from 0 to 612 ms.
    assert sinogram.duration_s == pytest.approx(0.613)
    assert sinogram.injection.activity_bq == 46.5e6
    assert sinogram.start == "20170327170035"
    assert sinogram.sampling.shape == (84, 172, 837)


def test_gaps_of_the_preset_are_those_of_the_real_detector(real_data):
    words = np.fromfile(real_data("nuclear/stir/small_listmode_file.l"), "<u4")
    address = (words[words >> 31 == 0] & ((1 << 30) - 1)).astype(np.int64)
    view, radial = address // 344 % 252, address % 344
    scanner = petlink.BIOGRAPH_MMR
    counts = sum(np.bincount(c, minlength=504) for c in petlink._crystals(view, radial, scanner))
    live = scanner.live_crystals()[:, 0]
    assert not counts[~live].any()
    assert counts[live].min() > 100


def test_events_land_where_they_belong(tmp_path):
    # Ring difference 0, ring 5 from the head: 58 from the feet, plane 2 · 58 of 127. View 7, bin 173.
    # Then segment -1 (ring difference -1 in the file, +1 here), its third plane: rings 3 and 2 from the head.
    # Ring difference -8 in the file, its fourth plane: rings 11 and 3 from the head, 52 and 60 from the feet, +8 here:
    # segment 6 to 16 begins at plane 127 with ring sum 6.
    steep = 64 + 2 * sum(64 - d for d in range(1, 8)) + 3
    words = [0x80000000, event(173, 7, 5), event(0, 251, 64 + 2), event(172, 0, steep), event(40, 9, 8, prompt=False)]
    sinogram = read(write(tmp_path, [*words, 0x80000009]))
    found = {tuple(int(i) for i in index) for index in np.argwhere(sinogram.prompts)}
    assert found == {(2, 86, 116), (83, 0, 60 + 61), (0, 86, 127 + 112 - 6)}
    assert sinogram.duration_s == pytest.approx(0.010)
    assert sinogram.randoms.sum(dtype=float) == pytest.approx(1.0, rel=1e-4)


def test_other_tags_are_passed_over(tmp_path):
    words = [0x80000000, 0xB0000001, event(173, 7, 5), 0xF1234567, 0x80000001]
    assert read(write(tmp_path, words)).prompts.sum() == 1


def test_header_is_recognised(tmp_path):
    path = write(tmp_path, [0x80000000])
    names = [item.name for item in MODALITY.readers if item.sniff(path.read_bytes()[:4096], path.name)]
    assert names == ["petlink"]


@pytest.mark.parametrize(
    ("words", "edit", "error", "message"),
    [
        ([], (), InvalidInputError, "events.l: has 0 bytes; expected words of 4"),
        ([event(1, 1, 1)], (), InvalidInputError, "holds no time tag"),
        ([0x80000000, event(0, 0, 4084)], (), InvalidInputError, "event of sinogram 4084; .* make 4084"),
        ([0x80000000], ("events.l", "gone.l"), InvalidInputError, "names 'gone.l', which cannot be read"),
        ([0x80000000], ("events.l", "/etc/passwd"), InvalidInputError, "expected a file beside the header"),
        ([0x80000000], ("rings:=64", "rings:=52"), UnsupportedError, "number of rings: is 52; only the Biograph mMR"),
        ([0x80000000], ("time bins:=1", "time bins:=13"), UnsupportedError, "%number of tof time bins: is 13"),
        ([0x80000000], (":=HFS", ":=FFS"), UnsupportedError, "only HFS is handled"),
        ([0x80000000], ("%number of views:=252", ""), InvalidInputError, "%number of views: is missing"),
        ([0x80000000], ("difference:=60", "difference:=99"), InvalidInputError, "max_ring_difference: is 99"),
    ],
)
def test_broken_files_are_refused(tmp_path, words, edit, error, message):
    path = write(tmp_path, words, HEADER.replace(*edit) if edit else HEADER)
    with pytest.raises(error, match=message):
        petlink.read(path)
