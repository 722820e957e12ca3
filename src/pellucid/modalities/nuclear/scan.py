"""Anatomy + protocol → Sinogram: what a PET scanner would have counted.

    ȳ = T · S ⊙ a ⊙ P G x + r + s,   y ~ Poisson(ȳ)

x: uptake times what is left of the injected activity per gram of patient; G: the detector's blur; P: line integrals
on voxels that are not those of a reconstruction; a, s: from the patient's own attenuation at 511 keV; r: from the
crystals' singles. The estimates of randoms and scatter that come with the counts are their expectations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.anatomy.anatomy import Anatomy
from pellucid.errors import InvalidInputError, UnknownOptionError
from pellucid.image import Image, Provenance
from pellucid.modalities.nuclear import single_scatter as scattering
from pellucid.modalities.nuclear.acquisition import Sinogram, check_attenuation_map
from pellucid.modalities.nuclear.attenuation import attenuation_factors, attenuation_grid, covering_grid, on_grid
from pellucid.modalities.nuclear.compton import ANNIHILATION_KEV
from pellucid.modalities.nuclear.detection import crystal_efficiencies, randoms_rate, trues_sensitivity
from pellucid.modalities.nuclear.projectors import SinogramProjector
from pellucid.modalities.nuclear.protocols import PROTOCOLS, Settings
from pellucid.modalities.nuclear.sampling import SinogramSampling, sampling_of
from pellucid.modalities.nuclear.scanner import scanner
from pellucid.modalities.nuclear.tracer import (
    Injection,
    mean_decay,
    nuclide,
    radiopharmaceutical,
    shifted,
)
from pellucid.modality import software
from pellucid.operators.convolution import GaussianBlur
from pellucid.parameters import changed
from pellucid.progress import Progress, no_progress
from pellucid.study import StudyContext
from pellucid.units import quantity

Counts = NDArray[np.float32]
SIMULATION_VOXEL_MM = 1.5
"""In-plane voxel on which the truth is projected; a reconstruction has others."""
SCATTER_VOXEL_MM = 6.0
OUT_OF_FIELD_MM = 80.0
"""How far beyond the rings activity still scatters and makes singles."""
_DEFAULT_START = "20260101120000"


def scan(
    anatomy: Anatomy,
    protocol: str | Settings,
    *,
    seed: int = 0,
    study: StudyContext | None = None,
    attenuation_map: Image | None = None,
    progress: Progress = no_progress,
    **changes: Any,
) -> Sinogram:
    """Scan `anatomy` by a named protocol or `Settings`; `changes` are checked fields of `Settings`.

    `seed` fixes crystal efficiencies and counting noise. `attenuation_map`: the map that goes with the counts
    (from a CT of the same patient, say; default: the anatomy's own); the counts themselves always follow the
    anatomy. The frame starts at the study's date and time. Raises `UnknownOptionError` for an unknown protocol
    or field and `InvalidInputError` for values that cannot be scanned.
    """
    settings, name = _settings(protocol)
    settings = changed(settings, changes, f"nuclear protocol {name}")
    study = study or anatomy.study
    sampling = _sampling(settings)
    if attenuation_map is not None:
        check_attenuation_map(attenuation_map)
        if not settings.attenuation:
            raise InvalidInputError(
                "does nothing with attenuation=false; it applies to attenuation=true", field="attenuation_map"
            )
    patient = anatomy.at(0.0)
    centre = _isocentre(patient, settings)
    injection, start = _injection(settings, study)
    progress(0.0, "preparing the patient")
    activity = _activity(patient, settings, study, injection, start)
    known = patient.property("attenuation_coefficient", energy_kev=ANNIHILATION_KEV)
    mu = replace(known, description="Attenuation at 511 keV of the digital patient")
    generator = np.random.default_rng(seed)
    expected = _expectation(_Scene(activity, mu, centre), sampling, settings, injection, generator, progress)
    progress(0.9, "counting")
    counts = generator.poisson(expected.prompts).astype(np.float32) if settings.noise else expected.prompts
    kept = _kept_map(attenuation_map or mu, sampling, centre) if settings.attenuation else None
    return Sinogram(
        sampling=sampling,
        prompts=counts,
        randoms=expected.randoms,
        scatter=expected.scatter,
        sensitivity=expected.sensitivity,
        attenuation_map=kept,
        start=start,
        duration_s=settings.duration_s,
        injection=injection,
        study=study,
        description=f"PET {settings.tracer.upper()} ({name})",
        attributes={"Manufacturer": "Pellucid (simulated)", "ManufacturerModelName": sampling.scanner.name},
        isocentre_lps_mm=centre,
        provenance=Provenance(
            operation="scan",
            method=f"nuclear.{name}",
            parameters={**vars(settings), "seed": seed},
            sources=(anatomy.name,),
            software=software(),
        ),
    )


@dataclass(frozen=True, eq=False)
class _Scene:
    """Activity at the frame's start [Bq/ml], attenuation [1/cm], and where the scanner's centre is in the patient."""

    activity: Image
    mu: Image
    centre: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class _Expected:
    """Expected counts of every bin, the parts of them that are not trues, and the sensitivity."""

    prompts: Counts
    scatter: Counts | None
    randoms: Counts | None
    sensitivity: Counts


def _expectation(
    scene: _Scene,
    sampling: SinogramSampling,
    settings: Settings,
    injection: Injection,
    generator: np.random.Generator,
    progress: Progress,
) -> _Expected:
    """What the detector counts on average."""
    efficiency = crystal_efficiencies(sampling.scanner, settings.efficiency_spread, generator)
    sensitivity = trues_sensitivity(sampling, efficiency)
    seconds = settings.duration_s * mean_decay(injection.half_life_s, settings.duration_s)
    scale = np.float32(seconds * injection.positron_fraction) * sensitivity
    progress(0.2, "projecting the activity")
    prompts = scale * _line_integrals(scene, sampling)
    if settings.attenuation:
        progress(0.5, "attenuation")
        voxel = (sampling.plane_pitch_mm, 2.0, 2.0)
        fine = covering_grid(scene.mu, sampling, scene.centre, spacing_mm=voxel)
        prompts *= attenuation_factors(scene.mu, sampling, scene.centre, fine)
    progress(0.7, "scatter and randoms")
    seen, coarse = _observed(scene, sampling, settings), scattering.ScatterSampling()
    scatter = randoms = None
    if settings.scatter and settings.attenuation:
        scatter = scale * scattering.equivalent_activity(seen, sampling, coarse)
        prompts += scatter
    if settings.randoms:
        singles = scattering.singles_rate(seen, sampling.scanner, coarse, efficiency * injection.positron_fraction)
        # Both singles decay: their product has half the half-life.
        pairs_s = settings.duration_s * mean_decay(injection.half_life_s / 2, settings.duration_s)
        randoms = randoms_rate(sampling, singles) * np.float32(pairs_s)
        prompts += randoms
    return _Expected(prompts, scatter, randoms, sensitivity)


def _settings(protocol: str | Settings) -> tuple[Settings, str]:
    if isinstance(protocol, Settings):
        return protocol, "custom"
    for item in PROTOCOLS:
        if item.name == protocol:
            return item.settings, item.name
    raise UnknownOptionError("nuclear protocol", protocol, (item.name for item in PROTOCOLS))


def _sampling(settings: Settings) -> SinogramSampling:
    return sampling_of(
        scanner(settings.scanner),
        span=settings.span,
        max_ring_difference=settings.max_ring_difference,
        radial_bins=settings.radial_bins,
        view_mashing=settings.view_mashing,
        radial_mashing=settings.radial_mashing,
    )


def _isocentre(patient: Anatomy, settings: Settings) -> tuple[float, float, float]:
    inside = patient.labels > 0
    if not inside.any():
        raise InvalidInputError("holds nothing but air; expected a body to scan", field="anatomy.labels")
    limits = [np.flatnonzero(inside.any(axis=axes))[[0, -1]].mean() for axes in ((1, 2), (0, 2), (0, 1))]
    body = patient.affine[:3, :3] @ np.array(limits) + patient.affine[:3, 3]
    given = (settings.isocentre_left_mm, settings.isocentre_posterior_mm, settings.isocentre_head_mm)
    x, y, z = (float(b) if g is None else float(g) for g, b in zip(given, body, strict=True))
    return x, y, z


def _injection(settings: Settings, study: StudyContext) -> tuple[Injection, str]:
    """What was injected when, and the start of the frame."""
    start = f"{study.study_date}{(study.study_time or '120000')[:6]}" if study.study_date else _DEFAULT_START
    tracer = radiopharmaceutical(settings.tracer)
    emitter = nuclide(tracer.nuclide)
    injection = Injection(
        tracer=tracer.key,
        nuclide=emitter.name,
        half_life_s=emitter.half_life_s,
        positron_fraction=emitter.positron_fraction,
        activity_bq=settings.injected_mbq * 1e6,
        time=shifted(start, -60 * settings.uptake_min),
    )
    return injection, start


def _activity(patient: Anatomy, settings: Settings, study: StudyContext, injection: Injection, start: str) -> Image:
    """Activity concentration at the frame's start [Bq/ml] on the anatomy's grid."""
    weight_kg = study.patient_weight_kg
    if weight_kg is None or not weight_kg > 0:
        raise InvalidInputError(f"is {weight_kg}; expected the patient's weight [kg]", field="study.patient_weight_kg")
    uptake = patient.property("uptake", tracer=settings.tracer)
    per_gram = injection.activity_at(start) / (1000 * weight_kg)
    return uptake.with_array(uptake.array * np.float32(per_gram), quantity=quantity("activity_concentration"))


def _line_integrals(scene: _Scene, sampling: SinogramSampling) -> Counts:
    """∫ G x dl of every bin [Bq/ml mm]."""
    across, along = sampling.scanner.resolution_fwhm_mm
    activity = scene.activity
    # The anatomy's slice axis is nearest to the scanner's; a label volume is axial.
    blur = GaussianBlur(activity.shape, fwhm_mm=(along, across, across), spacing_mm=activity.spacing_mm)
    seen = activity.with_array(blur(activity.array))
    spacing = (sampling.plane_pitch_mm, SIMULATION_VOXEL_MM, SIMULATION_VOXEL_MM)
    grid = covering_grid(seen, sampling, scene.centre, spacing_mm=spacing, beyond_mm=sampling.plane_pitch_mm)
    return np.asarray(SinogramProjector(sampling, grid)(on_grid(seen, grid, scene.centre)), np.float32)


def _observed(scene: _Scene, sampling: SinogramSampling, settings: Settings) -> scattering.CoarseObject:
    spacing = (SCATTER_VOXEL_MM, SCATTER_VOXEL_MM, SCATTER_VOXEL_MM)
    grid = covering_grid(scene.mu, sampling, scene.centre, spacing_mm=spacing, beyond_mm=OUT_OF_FIELD_MM)
    mu_per_mm = np.zeros(grid.shape, np.float32)
    if settings.attenuation:
        mu_per_mm += on_grid(scene.mu, grid, scene.centre) / 10
    activity = on_grid(scene.activity, grid, scene.centre)
    return scattering.observe(activity, mu_per_mm, grid, sampling.scanner, scattering.ScatterSampling())


def _kept_map(image: Image, sampling: SinogramSampling, centre: tuple[float, float, float]) -> Image:
    """The attenuation map as it is stored with the counts: no finer than the detector resolves."""
    grid = attenuation_grid(image, sampling, centre)
    return image.with_array(on_grid(image, grid, centre), affine=grid.affine(centre))
