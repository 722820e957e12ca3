"""Magnetic resonance: physics against closed forms, reconstructions against known truth and measured data."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import numpy as np

import pellucid
from benchmarks.tasks import mr as tasks
from pellucid.anatomy import Anatomy, brain, tissue, tissues
from pellucid.image import axial_affine
from pellucid.modalities import mr
from pellucid.modalities.mr import signal
from pellucid.modalities.mr.coils import CoilArray
from pellucid.modalities.mr.forward import SenseEncoding
from pellucid.modalities.mr.readers import twix
from pellucid.modalities.mr.recon import problem
from validation import check, data, mr_phantom, mr_shading


@check(
    "Spoiled gradient echo: steady state reached by stepping Bloch's equations",
    against="analytic truth",
    reason="both are exact; 4000 repetitions leave e^-96 of the transient",
    high=1e-9,
)
def spoiled_gradient_echo() -> float:
    """Relative difference of the signal."""
    t1, t2_star, tr, te, angle = 830.0, 50.0, 20.0, 4.0, np.deg2rad(22.0)
    mz = 1.0
    for _ in range(4000):
        transverse, mz = mz * np.sin(angle), 1 + (mz * np.cos(angle) - 1) * np.exp(-tr / t1)
    stepped = transverse * np.exp(-te / t2_star)
    equation = signal.spoiled_gradient_echo(
        1.0, t1, t2_star, repetition_time_ms=tr, echo_time_ms=te, flip_angle_deg=22.0
    )
    return float(abs(equation / stepped - 1))


@check(
    "Receive loop by Biot-Savart: field on the axis",
    against="analytic truth",
    reason="48 straight segments for a circle: (pi / 48)^2 of the field at its centre",
    high=4.3e-3,
)
def loop_on_its_axis() -> float:
    """Largest relative difference of the field at four distances."""
    loop = CoilArray(np.zeros((1, 3)), np.array([[0.0, 0.6, 0.8]]), 50.0)
    along = np.array([0.0, 10.0, 50.0, 200.0])
    field = np.linalg.norm(loop.field(along[:, None] * loop.normals[0])[0], axis=-1)
    return float(np.max(np.abs(field / (2500.0 / (2 * (2500.0 + along**2) ** 1.5)) - 1)))


@check(
    "Where a ball lies in the patient after an oblique 2D scan and the direct reconstruction",
    against="known truth",
    unit="mm",
    reason="some 360 voxels at its surface are right to half a voxel each, as labels and again in the image: 0.13 mm; "
    "twice that and what coils and ringing leave. Half a voxel's shift makes it 0.88 mm or more",
    high=0.3,
)
def place_of_a_ball() -> float:
    """Distance of the brightest part of the image from the truth."""
    truth = np.array([26.0, -25.0, 49.0])
    labels = np.zeros((40, 50, 44), np.uint8)
    labels[4:36, 5:45, 6:38] = 1
    affine = axial_affine(labels.shape, (2.5, 2.0, 2.0), (12.0, -7.0, 31.0))
    points = np.moveaxis(np.indices(labels.shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    labels[np.linalg.norm(points - truth, axis=-1) < 12.0] = 2
    patient = Anatomy(name="block", labels=labels, affine=affine, tissues=tissues("air", "white_matter", "csf"))
    raw = mr.scan(
        patient, "t2_se", tilt_deg=25.0, slice_gap_mm=0.0, resolution_mm=2.0, slice_thickness_mm=2.5, coils=4,
        b1_variation=0.0, signal_to_noise=1e6,
    )  # fmt: skip
    image = mr.reconstruct(raw)
    bright = np.argwhere(image.array > 0.6 * np.quantile(image.array, 0.999))
    return float(np.linalg.norm(image.points_lps_mm(bright.mean(axis=0)) - truth))


@check(
    "Centre of a measured Siemens slice against its protocol's slice position",
    against="real data",
    unit="mm",
    reason="the header's positions are single precision",
    high=1e-3,
)
def siemens_position() -> float:
    """Distance of the centre voxel from sSliceArray.asSlice[0].sPosition."""
    (raw,) = twix.read(data("mr/raw/siemens_twix/gre.dat"))
    centre = raw.affine @ np.array([0.0, raw.image_shape[1] // 2, raw.image_shape[2] // 2, 1.0])  # type: ignore[attr-defined]
    return float(np.linalg.norm(centre[:3] - (-2.58969998377, 53.9224264395, -53.9994745263)))


@check(
    "CG-SENSE 2 x 2 of exact 8-coil k-space of the Shepp-Logan phantom, NRMSE",
    against="analytic truth",
    reason="ringing of the phantom's edges and amplified noise; SigPy's error is the same to 7 digits",
    high=0.07,
)
def cg_sense() -> float:
    """NRMSE over the phantom."""
    run, error = tasks.cg_sense()
    return error(run())


@check(
    "ESPIRiT maps against the sensitivities behind exact k-space, mean correlation",
    against="analytic truth",
    reason="images of the same calibration lines, the trivial maps, reach 0.986 here",
    low=0.996,
    slow=True,
)
def espirit() -> float:
    """Mean correlation over the phantom."""
    run, agreement = tasks.espirit()
    return agreement(run())


@check(
    "Non-uniform Fourier transform against plain sums, relative error",
    against="analytic truth",
    reason="1e-6 is asked of the transform in single precision, whose rounding adds up over 512 samples",
    high=1e-5,
    slow=True,
)
def nufft() -> float:
    """The larger of the errors of transform and adjoint."""
    return max(error(run()) for run, error in (tasks.nufft_forward(), tasks.nufft_adjoint()))


@check(
    "Compressed sensing of a measured brain, 12.7 % sampled, against the fully sampled image, NRMSE",
    against="real data",
    reason="BART 0.8 with l1-wavelet -r 0.005 -i 50 reaches 0.0676; zero filling 0.232",
    high=0.066,
)
def l1_wavelet_brain() -> float:
    """NRMSE of the public method's image as it is set by default, after one scale."""
    run, error = tasks.l1_wavelet_brain()
    return error(run())


@check(
    "Compressed sensing of the SigPy tutorial's brain, 12.4 % sampled: a tenth of the samples, held out, predicted",
    against="real data",
    reason="1 where zeros stand for what is missing; 0.34 by least squares over the coils, without wavelets",
    high=0.29,
)
def held_out_samples() -> float:
    """‖predicted − measured‖ / ‖measured‖ of samples outside the centre that the reconstruction did not see."""
    raw = pellucid.read(data("mr/raw/sigpy_tutorial/cartesian_ksp.npy"))
    assert isinstance(raw, mr.KSpace)
    assert raw.sampled is not None
    held_out = raw.sampled & (np.random.default_rng(0).random(raw.sampled.shape) < 0.1)
    held_out[0, *(slice(n // 2 - 12, n // 2 + 12) for n in held_out.shape[1:])] = False
    image, maps = _solution(replace(raw, samples=raw.samples * ~held_out, sampled=raw.sampled & ~held_out))
    predicted, measured = SenseEncoding(maps, held_out[0])(image), raw.samples[0, :, 0] * held_out[0]
    return float(np.linalg.norm(predicted - measured) / np.linalg.norm(measured))


def _solution(raw: mr.KSpace) -> tuple[problem.Complex, problem.Complex]:
    """What the public method finds before it takes the magnitude, `[map, row, column]`, and the maps that it used."""
    with (
        mock.patch.object(problem, "magnitude", wraps=problem.magnitude) as shown,
        mock.patch.object(problem, "cartesian_problem", wraps=problem.cartesian_problem) as posed,
    ):
        pellucid.reconstruct(raw, "l1_wavelet")
    return shown.call_args.args[0], posed.call_args.args[0]


@check(
    "SENSE of 38 exact golden-angle spokes for 96 pixels against gridding, ratio of errors",
    against="analytic truth",
    reason="a quarter of the spokes that full sampling needs: gridding streaks, eight coils resolve them",
    high=0.85,
)
def radial_sense() -> float:
    """Ratio of the two errors."""
    raw = mr_phantom.radial(96, 38)
    expected = mr_phantom.truth(96) * mr_phantom.shading(96)
    errors = [mr_phantom.error(mr.reconstruct(raw, method).array[0], expected) for method in ("sense", "nufft")]
    return errors[0] / errors[1]


@check(
    "A uniform ball normalised by a prescan, half the range over the mean",
    against="known truth",
    reason="ringing of the ball's edge at voxels of 2 mm, two and a half from it; the coils' shading makes it 0.24",
    high=0.03,
)
def evenness_of_a_ball() -> float:
    """Of one slice without noise."""
    settings = {"slices": 1, "resolution_mm": 2.0, "b1_variation": 0.0, "signal_to_noise": 1e5}
    return mr_shading.unevenness(mr.reconstruct(mr.scan(mr_shading.ball(), "t1_gre", **settings)))


@check(
    "Fat over white matter in the T1 of the digital head normalised by a prescan, over the signal equation's",
    against="analytic truth",
    reason="partial volume and ringing of the thin layer of fat; without normalisation 1.47",
    low=0.97,
    high=1.03,
    slow=True,
)
def fat_over_white_matter() -> float:
    """Ratio of two ratios."""
    patient, names = brain(), ("adipose", "white_matter")
    image = mr.reconstruct(mr.scan(patient, "t1_gre", slices=3, b1_variation=0.0))
    fat, matter = (mr_shading.mean_in(image, patient, name) for name in names)
    angle, signals = np.deg2rad(70.0), []
    for known in map(tissue, names):
        recovery = np.exp(-250.0 / known.relaxation_ms("t1", 3.0))
        steady = known.proton_density * np.sin(angle) * (1 - recovery) / (1 - np.cos(angle) * recovery)
        signals.append(steady * np.exp(-4.0 / known.relaxation_ms("t2_star", 3.0)))
    return fat / matter / (signals[0] / signals[1])
