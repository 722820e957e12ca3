"""Broken files of our own container, with a small k-space."""

import numpy as np
import pytest
from tests.bad_input.cases import case, check_file_is_refused, signal_file

SIGNAL = {}


def signal_change(name, message):
    def register(change):
        SIGNAL[name] = lambda folder: signal_file(folder, change), message
        return change

    return register


@case(SIGNAL, "empty", "x.pellucid.h5: is empty")
def _(folder):
    (folder / "x.pellucid.h5").write_bytes(b"")
    return folder / "x.pellucid.h5"


@case(SIGNAL, "text", "its name says Pellucid signal, its content does not")
def _(folder):
    (folder / "x.pellucid.h5").write_text("not HDF5")
    return folder / "x.pellucid.h5"


@case(SIGNAL, "cut off", "x.pellucid.h5: cannot be read as a Pellucid acquisition: has ")
def _(folder):
    path = signal_file(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@case(SIGNAL, "damaged", "some of them are damaged, or packed with a filter that is not installed")
def _(folder):
    path = signal_file(folder)
    data = path.read_bytes()
    place = data.index(b"TREE")
    path.write_bytes(data[:place] + b"EERT" + data[place + 4 :])
    return path


@signal_change("other HDF5", "format: is not a Pellucid acquisition")
def _(file):
    del file.attrs["format"]


@signal_change("newer version", "version: is 99; this program reads up to")
def _(file):
    file.attrs["version"] = 99


@signal_change("no samples", "x.pellucid.h5: samples: is missing")
def _(file):
    del file["acquisition/samples"]


@signal_change("NaN", "samples: holds 1 values that are not finite, the first at index (0, 0, 0, 0, 0)")
def _(file):
    file["acquisition/samples"][0, 0, 0, 0, 0] = np.nan


@signal_change("mask of another size", "sampled: is (1, 7, 1); expected")
def _(file):
    del file["acquisition/sampled"]
    file["acquisition/sampled"] = np.ones((1, 7, 1), bool)


@signal_change("grid of no size", "affine: is not a finite, invertible 4 x 4 matrix")
def _(file):
    file["acquisition/affine"][...] = 0


@signal_change("foreign class", "class: is 'os:system'; expected an acquisition of a known modality")
def _(file):
    file["acquisition"].attrs["class"] = "os:system"


@signal_change(
    "text for numbers",
    "cannot be read as a Pellucid acquisition: its groups, datasets and their kinds are not those of the format",
)
def _(file):
    del file["acquisition/samples"]
    file["acquisition/samples"] = "hello"


@pytest.mark.parametrize("name", sorted(SIGNAL))
def test_bad_file_is_refused_in_one_line(name, tmp_path, capsys):
    check_file_is_refused(SIGNAL[name], tmp_path, capsys)
