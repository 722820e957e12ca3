"""MR tasks, one plane each: CG-SENSE, ESPIRiT, NUFFT, and compressed sensing of a measured brain."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

import pellucid
from benchmarks import Accuracy, Agreement, Array, Target, Task
from pellucid.modalities.mr import KSpace, sampling
from pellucid.modalities.mr.forward import SenseEncoding, SenseNormal
from pellucid.modalities.mr.readers.cfl import read_array
from pellucid.modalities.mr.recon.espirit import espirit as calibrate
from pellucid.operators import NonUniformFourier
from pellucid.solvers import conjugate_gradient, last
from validation import data, mr_phantom

SIZE = 256
SPOKES = 200


@cache
def inputs(name: str) -> dict[str, Array]:
    """The arrays that a task starts from, for Pellucid and its peers alike."""
    return {
        "cg_sense": _sense_inputs,
        "espirit": _espirit_inputs,
        "nufft_forward": _nufft_inputs,
        "nufft_adjoint": _nufft_inputs,
        "l1_wavelet_brain": _brain_inputs,
    }[name]()


def _sense_inputs() -> dict[str, Array]:
    return {
        "kspace": mr_phantom.cartesian(SIZE),
        "maps": mr_phantom.coils().sensitivity(mr_phantom.grid_mm(SIZE)).astype(np.complex64),
        "mask": sampling.regular((SIZE, SIZE), (2, 2), 24),
        "regularisation": np.float64(1e-4),
        "iterations": np.int64(20),
    }


def _espirit_inputs() -> dict[str, Array]:
    """Narrow loops close to the head in a wide field of view: smooth low-resolution maps fail here."""
    return {"kspace": mr_phantom.wide(SIZE), "calibration": np.int64(24), "kernel": np.int64(6)}


def _nufft_inputs() -> dict[str, Array]:
    """SigPy's conventions: coordinates in cycles per field of view, (row, column)."""
    trajectory = sampling.golden_angle_radial(SPOKES, 2 * SIZE, 1000.0 / (2 * mr_phantom.FIELD_OF_VIEW_MM))
    coordinates = trajectory[..., 1:].astype(np.float64) * mr_phantom.FIELD_OF_VIEW_MM * 1e-3
    receive = mr_phantom.coils()
    shaded = receive.sensitivity(mr_phantom.grid_mm(SIZE)) * mr_phantom.truth(SIZE)
    image = shaded.astype(np.complex64)
    return {
        "image": image,
        "samples": NonUniformFourier((SIZE, SIZE), coordinates / SIZE, batch=(8,))(image),
        "coordinates": coordinates,
        "shape": np.array([8, SIZE, SIZE]),
    }


def _brain_inputs() -> dict[str, Array]:
    """The centre of 20 × 20 is sampled fully."""
    kspace = np.squeeze(read_array(data("mr/raw/bart_pics_brain/ksp.hdr")))
    return {"kspace": np.ascontiguousarray(np.moveaxis(kspace, -1, 0)), "calibration": np.int64(20)}


def cg_sense() -> tuple[Callable[[], Array], Callable[[Array], float]]:
    """CG-SENSE, 8 coils of 256², 2 × 2 with 24 × 24 centre, 20 iterations; error against the known phantom."""
    given = inputs("cg_sense")

    def run() -> Array:
        encoding = SenseEncoding(given["maps"][None], given["mask"])
        right_side = encoding.adjoint(given["kspace"])
        normal = SenseNormal(encoding, float(given["regularisation"]))
        iterations = int(given["iterations"])
        return last(conjugate_gradient(normal, right_side, iterations=iterations), total=iterations)[0]

    return run, lambda image: mr_phantom.error(image, mr_phantom.truth(SIZE))


def espirit() -> tuple[Callable[[], Array], Callable[[Array], float]]:
    """ESPIRiT maps of 8 coils of 256² from 24 × 24 lines; mean agreement with the true sensitivities."""
    given = inputs("espirit")
    width = int(given["calibration"])
    block = slice(SIZE // 2 - width // 2, SIZE // 2 + width // 2)
    truth, inside = mr_phantom.wide_truth(SIZE)

    def run() -> Array:
        maps, _ = calibrate(given["kspace"][:, block, block], (SIZE, SIZE), kernel=int(given["kernel"]))
        return maps[0]

    return run, lambda maps: float(mr_phantom.map_agreement(np.squeeze(maps), truth, inside).mean())


def _agreement_of_maps(ours: Array, theirs: Array) -> float:
    _, inside = mr_phantom.wide_truth(SIZE)
    return float(mr_phantom.map_agreement(np.squeeze(theirs), np.squeeze(ours), inside).mean())


def low_resolution_maps() -> Array:
    """The trivial alternative to `espirit`: coil images of the windowed centre of k-space."""
    given = inputs("espirit")
    width = int(given["calibration"])
    window = np.zeros(SIZE)
    window[SIZE // 2 - width // 2 : SIZE // 2 + width // 2] = np.hanning(width + 2)[1:-1]
    centre = np.fft.ifftshift(given["kspace"] * window * window[:, None], (1, 2))
    return np.fft.fftshift(np.fft.ifft2(centre), (1, 2))


def nufft_forward() -> tuple[Callable[[], Array], Callable[[Array], float]]:
    """8 images of 256² at 200 × 512 places; relative error of 1500 places against plain sums."""
    given = inputs("nufft_forward")
    image, coordinates = given["image"], given["coordinates"]
    chosen = np.random.default_rng(1).choice(coordinates[..., 0].size, 1500, replace=False)
    line = np.arange(SIZE) - SIZE // 2
    turns = coordinates.reshape(-1, 2)[chosen] / SIZE
    rows, columns = (np.exp(-2j * np.pi * np.outer(turns[:, axis], line)) for axis in (0, 1))
    exact = np.einsum("py,cyx,px->cp", rows, image, columns, optimize=True) / SIZE

    def run() -> Array:
        return NonUniformFourier((SIZE, SIZE), coordinates / SIZE, batch=(8,))(image)

    def error(samples: Array) -> float:
        found = samples.reshape(8, -1)[:, chosen]
        return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))

    return run, error


def nufft_adjoint() -> tuple[Callable[[], Array], Callable[[Array], float]]:
    """The adjoint; relative error of 64 pixels against plain sums."""
    given = inputs("nufft_adjoint")
    samples, coordinates = given["samples"].reshape(8, -1), given["coordinates"]
    pixels = np.random.default_rng(2).integers(0, SIZE, (64, 2))
    turns = coordinates.reshape(-1, 2) @ (pixels - SIZE // 2).T / SIZE
    exact = samples @ np.exp(2j * np.pi * turns) / SIZE

    def run() -> Array:
        operator = NonUniformFourier((SIZE, SIZE), coordinates / SIZE, batch=(8,))
        return operator.adjoint(given["samples"])

    def error(images: Array) -> float:
        found = images[:, pixels[:, 0], pixels[:, 1]]
        return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))

    return run, error


def l1_wavelet_brain() -> tuple[Callable[[], Array], Callable[[Array], float]]:
    """A measured brain, 12.7 % sampled: maps, then wavelets; error of the magnitude against the fully sampled image.

    Ours is the public method as it is, on what the public reader gives.
    """
    raw = pellucid.read(data("mr/raw/bart_pics_brain/ksp.hdr"))
    assert isinstance(raw, KSpace)
    full = np.squeeze(read_array(data("mr/raw/bart_pics_brain/img.hdr")))
    reference = np.sqrt(np.sum(np.abs(full) ** 2, axis=-1))

    def run() -> Array:
        return pellucid.reconstruct(raw, "l1_wavelet").array[0]

    def error(image: Array) -> float:
        found = np.abs(image)
        scale = np.vdot(found, reference) / np.vdot(found, found)
        return float(np.linalg.norm(scale * found - reference) / np.linalg.norm(reference))

    return run, error


def tasks() -> list[Task]:
    """All tasks with their peers and targets."""
    speed = (Target("cpu ratio", 1.0, "sigpy"), Target("wall ratio", 1.0, "sigpy"))
    rows = [
        (
            cg_sense,
            "NRMSE against the known phantom",
            ("sigpy", "bart"),
            (*speed, Target("wall ratio", 1.0, "bart"), Target("accuracy ratio", 1.01, "sigpy")),
        ),
        (
            espirit,
            "agreement with the true sensitivities",
            ("sigpy", "bart"),
            (
                *speed,
                Target("wall ratio", 1.0, "bart"),
                Target("accuracy", 0.996, at_least=True),
                Target("agreement", 0.999, "sigpy", at_least=True),
                Target("second accuracy", 0.99),
            ),
        ),
        (nufft_forward, "relative error", ("sigpy",), (*speed, Target("accuracy", 1e-5))),
        (nufft_adjoint, "relative error", ("sigpy",), (*speed, Target("accuracy", 1e-5))),
        (
            l1_wavelet_brain,
            "NRMSE against the fully sampled image",
            ("bart",),
            (Target("wall ratio", 1.0, "bart"), Target("accuracy", 0.066)),
        ),
    ]
    found = []
    for task, measure, peers, targets in rows:
        run, accuracy = task()
        title = (task.__doc__ or "").split(";")[0]
        accuracies, agreement = [Accuracy(measure, accuracy)], None
        if task is espirit:
            score = accuracy(low_resolution_maps())
            accuracies.append(Accuracy("the same of trivial low-resolution maps", lambda _, score=score: score))
            agreement = Agreement("agreement with Pellucid's maps", _agreement_of_maps)
        given = inputs(task.__name__)
        found.append(Task(task.__name__, title, run, tuple(accuracies), given, agreement, peers=peers, targets=targets))
    return found
