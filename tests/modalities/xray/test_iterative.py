"""Iterative methods on exact data of few views."""

from dataclasses import replace

import numpy as np
import pytest

from pellucid.anatomy.phantoms import shepp_logan, spheres
from pellucid.errors import CancelledError, InvalidInputError
from pellucid.modalities import xray
from pellucid.modalities.xray import ScanGeometry, Sinogram, monoenergetic
from validation.rays import exact_line_integrals

HEAD = shepp_logan(size_mm=60.0)
SCAN = ScanGeometry(
    beam="parallel", angles_deg=np.arange(32) * 180 / 32, columns=80, column_spacing_mm=0.8, row_positions_mm=[0.0]
)
RAW = Sinogram(data=exact_line_integrals(HEAD, SCAN) / 10, geometry=SCAN)
TRUTH = HEAD.pixels(64, 1.0)
METHODS = {
    "fbp": {"filter": "hann"},
    "sirt": {"iterations": 60},
    "cgls": {"iterations": 5},
    "tv": {"iterations": 80, "regularisation": 3e-3},
}


def error(method, raw=RAW, **parameters):
    chosen = {**METHODS[method], **parameters}
    image = xray.reconstruct(raw, method, matrix=64, field_of_view_mm=64.0, **chosen)
    return float(np.sqrt(np.mean((image.array[0] - TRUTH) ** 2)))


def test_each_recovers_the_phantom_from_few_views():
    errors = {method: error(method) for method in METHODS}
    assert errors["tv"] < 0.6 * errors["fbp"]
    assert errors["sirt"] < errors["fbp"]
    assert errors["cgls"] < 1.1 * errors["fbp"]


def test_positivity_helps_where_views_are_few():
    eighth = {"keep_every": 4}
    assert error("tv", **eighth) < error("tv", non_negative=False, **eighth)
    assert error("sirt", **eighth) < error("sirt", non_negative=False, **eighth)


def test_damping_and_iterations_do_something():
    size = {}
    for damping in (0.0, 0.05, 0.5):
        image = xray.reconstruct(RAW, "cgls", matrix=64, iterations=20, damping=damping)
        size[damping] = float(np.linalg.norm(image.array))
    assert size[0.0] > size[0.05] > size[0.5]
    assert error("sirt", iterations=5) > error("sirt", iterations=60)
    assert error("sirt", relaxation=0.2) > error("sirt")


def test_cone_beam():
    ball = spheres([(5.0, -4.0, 6.0)], [8.0], [0.02])
    scan = ScanGeometry(
        beam="cone",
        angles_deg=np.arange(24) * 15.0,
        columns=40,
        column_spacing_mm=2.0,
        row_positions_mm=(np.arange(32) - 15.5) * 2.0,
        source_isocentre_mm=200.0,
        source_detector_mm=300.0,
    )
    raw = Sinogram(data=exact_line_integrals(ball, scan), geometry=scan, spectrum=monoenergetic(60.0))
    image = xray.reconstruct(raw, "sirt", matrix=32, field_of_view_mm=52.0, iterations=40)
    assert image.quantity.name == "ct_number"
    points = image.points_lps_mm(np.moveaxis(np.indices(image.shape), 0, -1))
    inside = np.linalg.norm(points - (5, -4, 6), axis=-1) < 5
    assert image.array[inside].mean() == pytest.approx(1000 * (0.2 / 0.2059 - 1), abs=30)


def test_pictures_come_on_the_way_and_work_can_be_stopped():
    previews = []

    def watch(fraction, message="", preview=None):
        if preview is not None:
            previews.append(preview)
        if fraction > 0.5:
            raise CancelledError("enough")

    with pytest.raises(CancelledError):
        xray.reconstruct(RAW, "sirt", matrix=64, progress=watch)
    assert previews[0].array.shape == (1, 64, 64)
    assert previews[0].quantity.name == "attenuation_coefficient"


def test_a_single_column_is_refused():
    thin = replace(SCAN, columns=1)
    raw = Sinogram(data=np.zeros(thin.shape, np.float32), geometry=thin)
    with pytest.raises(InvalidInputError, match="single column"):
        xray.reconstruct(raw, "sirt")
