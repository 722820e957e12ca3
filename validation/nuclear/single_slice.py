"""STIR's single-slice exercise: a thorax seen by the one plane between two rings, back to the image it came from."""

from __future__ import annotations

import math
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

import pellucid
from pellucid.image import Image
from pellucid.modalities import nuclear
from pellucid.modalities.nuclear import Sinogram
from pellucid.modalities.nuclear.readers import interfile
from validation import check, data

_FOLDER = "nuclear/stir_exercises/EX_simulation_single_slice"
_CRYSTALS, _BINS, _MASHING, _RADIUS_MM = 512, 192, 4, 517.0
"""Of the template: 512 crystals per ring on 510 + 7 mm, 192 bins, 64 views of 4."""
_STEP_MM = 1.5


def line_integrals(image: Image) -> NDArray[np.float64]:
    """∫ of one slice along every crystal pair's line `[view, pair, bin]`, sampled every 1.5 mm from crystal places."""
    view, bin_ = np.ogrid[: _CRYSTALS // 2, :_BINS]
    fine = bin_ - _BINS // 2
    ends = [
        _RADIUS_MM * np.exp(2j * math.pi * (crystal % _CRYSTALS) / _CRYSTALS)
        for crystal in (view + (fine >> 1), view - ((fine + 1) >> 1) + _CRYSTALS // 2)
    ]
    # Crystal 0 is at the top: angles run from anterior to the patient's left.
    (x0, y0), (x1, y1) = ((end.imag, -end.real) for end in ends)
    reach = image.spacing_mm[2] * image.shape[2] / math.sqrt(2)
    length = np.hypot(x1 - x0, y1 - y0)
    along = np.arange(-reach, reach, _STEP_MM) / length[..., None]
    foot = 0.5 + ((x0 + x1) * (x0 - x1) + (y0 + y1) * (y0 - y1)) / (2 * length**2)
    share = foot[..., None] + along
    columns = (x0[..., None] + share * (x1 - x0)[..., None] - image.affine[0, 3]) / image.spacing_mm[2]
    rows = (y0[..., None] + share * (y1 - y0)[..., None] - image.affine[1, 3]) / image.spacing_mm[1]
    values = map_coordinates(image.array[0].astype(np.float64), [rows, columns], order=1)
    return (values.sum(axis=-1) * _STEP_MM).reshape(-1, _MASHING, _BINS)


@cache
def thorax() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The emission image `[row, column]`, and its reconstruction from the template's plane on the same pixels."""
    emission = interfile.read_image(data(f"{_FOLDER}/emission.hv"))
    mu = interfile.read_image(data(f"{_FOLDER}/CTAC.hv"), quantity_name="attenuation_coefficient")
    counts = (line_integrals(emission) * np.exp(-line_integrals(mu) / 10)).sum(axis=1)
    header = data(f"{_FOLDER}/template_sinogram.hs").read_text()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "thorax.hs"
        path.write_text(header.replace("template_sinogram.hs", "thorax.s"))
        counts.astype("<f4").tofile(path.with_suffix(".s"))
        raw = pellucid.read(path)
    assert isinstance(raw, Sinogram)
    raw = raw.with_attenuation_map(mu)
    found = nuclear.reconstruct(raw, "osem", iterations=20, subsets=8, filter_mm=0.0, voxel_mm=emission.spacing_mm[2])
    first = np.rint(found.indices_of(emission.points_lps_mm((0, 0, 0)))).astype(int)
    same = found.array[first[0], first[1] :, first[2] :][: emission.shape[1], : emission.shape[2]]
    return emission.array[0].astype(np.float64), same / _MASHING


@check(
    "STIR's single-slice thorax, one plane of three, OSEM 20i8s: error of the image at 10 mm, relative",
    against="known truth",
    high=0.09,
    reason="64 views of 4 pairs, attenuation on 6.75 mm voxels: projections of the truth itself differ by 3 %",
    slow=True,
)
def single_slice_error() -> float:
    """‖G (x - truth)‖/‖G truth‖, G a Gaussian of 10 mm; x from sampled line integrals that share no code with it."""
    truth, found = (gaussian_filter(image, 10.0 / 2.3548 / 3.129) for image in thorax())
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


@check(
    "The same: activity of the whole slice, relative error",
    against="known truth",
    high=0.01,
    reason="planes that were not measured would lower it if they counted as zeros; attenuation is known to 1 %",
    slow=True,
)
def single_slice_activity() -> float:
    """|sum/true sum - 1|."""
    truth, found = thorax()
    return abs(float(found.sum() / truth.sum()) - 1)
