"""BART: a program, timed with its files on a memory-backed or temporary folder as its users run it."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np

PACKAGE = ""


def version():
    return subprocess.run(["bart", "version"], capture_output=True, text=True, check=True).stdout.strip()


def _write(path, array):
    """BART's format: complex floats in column-major order, up to 16 dimensions in a text header."""
    dimensions = list(array.shape) + [1] * (16 - array.ndim)
    path.with_suffix(".hdr").write_text("# Dimensions\n" + " ".join(map(str, dimensions)) + "\n")
    array.astype(np.complex64).ravel(order="F").tofile(path.with_suffix(".cfl"))


def _read(path):
    dimensions = [int(n) for n in path.with_suffix(".hdr").read_text().splitlines()[1].split()]
    return np.fromfile(path.with_suffix(".cfl"), np.complex64).reshape(dimensions, order="F").squeeze()


def _runner(arrays, *commands):
    folder = Path(tempfile.mkdtemp())
    for name, array in arrays.items():
        _write(folder / name, array)

    def run():
        for command in commands:
            subprocess.run(["bart", *command], cwd=folder, check=True, capture_output=True)
        return _read(folder / "out")

    return run


def _coils_fourth(array):
    """(coils, rows, columns) → BART's (read, phase 1, phase 2, coils)."""
    return np.moveaxis(array, 0, -1)[:, :, None, :]


def cg_sense(inputs):
    arrays = {"ksp": _coils_fourth(inputs["kspace"] * inputs["mask"]), "maps": _coils_fourth(inputs["maps"])}
    settings = ["-S", "-l2", "-r", str(float(inputs["regularisation"])), "-i", str(int(inputs["iterations"]))]
    return _runner(arrays, ["pics", *settings, "ksp", "maps", "out"])


def espirit(inputs):
    run = _runner(
        {"ksp": _coils_fourth(inputs["kspace"])},
        ["ecalib", "-m1", "-r", str(int(inputs["calibration"])), "-k", str(int(inputs["kernel"])), "ksp", "out"],
    )
    return lambda: np.moveaxis(run(), -1, 0)


def l1_wavelet_brain(inputs):
    return _runner(
        {"ksp": _coils_fourth(inputs["kspace"])},
        ["ecalib", "-m1", "-r", str(int(inputs["calibration"])), "ksp", "maps"],
        ["pics", "-S", "-R", "W:3:0:0.005", "-i", "50", "ksp", "maps", "out"],
    )
