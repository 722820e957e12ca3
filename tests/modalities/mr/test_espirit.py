"""ESPIRiT: against the eigenvectors of the definition, known sensitivities, and a case that needs two maps."""

import numpy as np
import pytest

from pellucid.errors import InvalidInputError
from pellucid.modalities.mr.recon.espirit import espirit
from validation import mr_phantom


def reference(calibration, shape, maps, kernel, threshold):
    """By the definition: kernels transformed to images one by one, and a dense eigendecomposition per pixel."""
    coils = len(calibration)
    windows = np.lib.stride_tricks.sliding_window_view(calibration, (kernel, kernel), axis=(1, 2))
    matrix = windows.transpose(1, 2, 0, 3, 4).reshape(-1, coils * kernel * kernel)
    _, values, rows = np.linalg.svd(matrix, full_matrices=False)
    kernels = rows[values > threshold * values[0]].reshape(-1, coils, kernel, kernel)
    places = [(np.arange(n) - n // 2) / n for n in shape]
    # Patches are sums of the rows; at a place r they are C(r) exp(-2 pi i q r). Image of each row by plain sums.
    turns = [np.exp(2j * np.pi * np.outer(p, np.arange(kernel))) for p in places]
    images = np.einsum("ncab,ya,xb->yxcn", kernels, turns[0], turns[1])
    gram = images @ images.conj().swapaxes(-1, -2) / kernel**2
    values, vectors = np.linalg.eigh(gram.astype(np.complex128))
    return np.moveaxis(vectors[..., ::-1][..., :maps], (2, 3), (1, 0)), np.moveaxis(
        values[..., ::-1][..., :maps], -1, 0
    )


@pytest.fixture(scope="module")
def hard():
    """16 narrow loops close to the head: their sensitivities vary within a few pixels."""
    receive = mr_phantom.coils(16, (58.0, 78.0, 10.0), 7)
    size = 64
    samples = mr_phantom.grid_kspace(receive, size, sigma=0.0015)
    return samples, receive.sensitivity(mr_phantom.grid_mm(size)), mr_phantom.truth(size) > 0.01


def centre(samples, width):
    n = samples.shape[-1]
    block = slice(n // 2 - width // 2, n // 2 - width // 2 + width)
    return np.ascontiguousarray(samples[:, block, block])


@pytest.mark.parametrize("shape", [(64, 64), (48, 61)])
def test_maps_are_the_eigenvectors_of_the_definition(hard, shape):
    samples, _, _ = hard
    calibration = centre(samples, 20)
    found, values = espirit(calibration, shape, maps=1, kernel=5)
    vectors, eigenvalues = reference(calibration, shape, 1, 5, 0.02)
    inside = eigenvalues[0] > 0.9
    assert np.abs(values - eigenvalues)[0][inside].max() < 2e-3
    agreement = mr_phantom.map_agreement(found[0], vectors[0], inside)
    # Power iteration in single precision; pixels with close eigenvalues converge last.
    assert np.mean(agreement) > 1 - 1e-5
    assert np.quantile(agreement, 0.01) > 0.999


def test_maps_are_the_sensitivities_where_low_resolution_images_are_not(hard):
    samples, sensitivities, inside = hard
    found, _ = espirit(centre(samples, 16), samples.shape[1:])
    window = np.zeros(64)
    window[24:40] = np.hanning(18)[1:-1]
    low = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(samples * window * window[:, None], (1, 2))), (1, 2))
    ours = mr_phantom.map_agreement(found[0], sensitivities, inside).mean()
    trivial = mr_phantom.map_agreement(low, sensitivities, inside).mean()
    assert ours > 0.998
    assert 1 - ours < 0.4 * (1 - trivial)


def test_a_folded_field_of_view_needs_two_maps():
    size = 64
    # Every second line of a double field of view folds two places onto one pixel: two signals, two maps.
    line_y = (np.arange(size) - size // 2) * 1.45 / mr_phantom.FIELD_OF_VIEW_MM
    line_x = (np.arange(size) - size // 2) / mr_phantom.FIELD_OF_VIEW_MM
    k = np.stack(np.meshgrid(line_x, line_y, indexing="xy"), axis=-1)
    samples = mr_phantom.exact_kspace(mr_phantom.coils(), k, size, sigma=0.001)
    maps, values = espirit(centre(samples, 24), (size, size), maps=2)
    edge, middle = values[1][2:8, 24:40], values[1][28:36, 24:40]
    assert edge.mean() > 0.9
    assert middle.mean() < 0.6
    inner = np.sum(np.conj(maps[0]) * maps[1], axis=0)
    assert np.abs(inner).max() < 1e-3


def test_the_reference_combination_has_phase_zero(hard):
    samples, _, _ = hard
    weights = np.zeros(16, np.complex64)
    weights[3] = 1
    found, _ = espirit(centre(samples, 20), (64, 64), reference=weights)
    assert np.abs(np.angle(found[0, 3])).max() < 1e-3


def test_too_small_a_centre_is_refused():
    with pytest.raises(InvalidInputError, match="calibration lines"):
        espirit(np.ones((4, 5, 5), np.complex64), (20, 20), kernel=5)
