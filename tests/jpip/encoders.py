"""Codestreams of every kind for the tests: OpenJPEG's program (where installed) and the packaged encoders."""

import shutil
import subprocess

import imagecodecs
import numpy as np
import pytest

needs_openjpeg = pytest.mark.skipif(not shutil.which("opj_compress"), reason="OpenJPEG's programs are not installed")


def picture(height, width, components=1, dtype=np.uint16, seed=0):
    """A smooth picture with noise; signed types go below zero."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    planes = [
        1000 + 500 * np.sin(x / 40 + k) * np.cos(y / 30) + random.normal(0, 20, (height, width))
        for k in range(components)
    ]
    values = np.stack(planes, -1)
    if np.dtype(dtype).kind == "i":
        values -= 1200
    if np.dtype(dtype).itemsize == 1:
        values /= 8
    return values.astype(dtype).squeeze()


def openjpeg(folder, array, *options, size=None):
    """Encode with opj_compress; `size`: its own -F argument for sub-sampled components, `array` their bytes."""
    raw, out = folder / "in.raw", folder / "out.j2k"
    if size is None:
        planes = array.reshape(*array.shape[:2], -1)
        sign = "s" if array.dtype.kind == "i" else "u"
        size = f"{planes.shape[1]},{planes.shape[0]},{planes.shape[2]},{8 * array.dtype.itemsize},{sign}"
        array = planes.transpose(2, 0, 1).astype(array.dtype.newbyteorder(">")).tobytes()
    raw.write_bytes(array)
    out.unlink(missing_ok=True)
    subprocess.run(
        ["opj_compress", "-i", raw, "-o", out, "-F", size, *options], check=True, capture_output=True, timeout=60
    )
    return out.read_bytes()


def opj_decompress(folder, data):
    """The samples as OpenJPEG's program decodes them, component by component."""
    source, out = folder / "again.j2k", folder / "again.raw"
    source.write_bytes(data)
    out.unlink(missing_ok=True)
    subprocess.run(["opj_decompress", "-i", source, "-o", out], check=True, capture_output=True, timeout=60)
    return out.read_bytes()


def planes(folder, data):
    """Each component's file as OpenJPEG's program decodes it, sub-sampled ones as they are."""
    source, out = folder / "again.j2k", folder / "plane.pgx"
    source.write_bytes(data)
    subprocess.run(["opj_decompress", "-i", source, "-o", out], check=True, capture_output=True, timeout=60)
    return [file.read_bytes() for file in sorted(folder.glob("plane_*.pgx"))]


def htj2k(array, **options):
    return imagecodecs.htj2k_encode(array, reversible=True, rgb=array.ndim == 3, **options)


def j2k(array):
    return imagecodecs.jpeg2k_encode(array, level=0, reversible=True, codecformat="j2k")
