"""Broken files and absurd parameters: exit code 2 and one line that names file, field and expectation; no traceback.

Each case makes a file or folder and says what the line must hold; the command line is what a user meets.
"""

import h5py
import numpy as np
from tests.dicom.conftest import make_image

from pellucid import container
from pellucid.cli.app import run
from pellucid.dicom import write_nifti
from pellucid.image import axial_affine
from pellucid.modalities.mr import KSpace

RANDOM = np.random.default_rng(11).integers(0, 256, 3000, dtype=np.uint8).tobytes()


def case(table, name, message):
    """Register a case: its function gets a fresh folder and returns the path to read."""

    def register(function):
        assert name not in table
        table[name] = function, message
        return function

    return register


def one_line(arguments, capsys):
    """What the command says; it must be a refusal."""
    capsys.readouterr()
    assert run([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert captured.out == ""
    assert len(lines) == 1, lines
    assert lines[0].startswith("pellucid: ")
    assert len(lines[0]) < 600
    assert "Traceback" not in lines[0]
    return lines[0]


def check_file_is_refused(entry, folder, capsys):
    """A case's file is refused in one line, with its message and its name."""
    make, message = entry
    path = make(folder)
    line = one_line(["info", path], capsys)
    assert message in line
    assert str(path) in line


def nifti_file(folder, name="x.nii", **changes):
    return write_nifti(make_image("mr_t1", (8, 9, 10), **changes), folder / name)


def kspace(**changes):
    values = {
        "samples": np.ones((1, 2, 1, 8, 8), np.complex64),
        "affine": axial_affine((1, 8, 8), (5, 2, 2)),
        "image_shape": (1, 8, 8),
        "encoded_fov_mm": (5.0, 16.0, 16.0),
        "sampled": np.ones((1, 8, 1), bool),
        "sequence": "spin_echo",
    }
    return KSpace(**(values | changes))


def signal_file(folder, change=None):
    path = folder / "x.pellucid.h5"
    container.write(kspace(), path)
    if change:
        with h5py.File(path, "r+") as file:
            change(file)
    return path
