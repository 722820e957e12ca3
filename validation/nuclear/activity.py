"""Numbers that a reader relies on: Bq/ml, SUV, sensitivity, attenuation from CT."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from pellucid.anatomy import Anatomy, all_tissues, mass_attenuation, tissue
from pellucid.image import Image, axial_affine
from pellucid.modalities import nuclear
from pellucid.modalities.nuclear.detection import mean_efficiency, trues_sensitivity
from pellucid.modalities.nuclear.projectors import Grid, SinogramProjector
from pellucid.modalities.nuclear.quantify import suv_factor
from pellucid.modalities.nuclear.sampling import sampling_of
from pellucid.modalities.nuclear.scanner import BIOGRAPH_MMR, DISCOVERY_MI, Scanner
from pellucid.study import StudyContext
from pellucid.units import quantity
from validation import check, data


@check(
    "Uniform cylinder with attenuation, scatter, randoms, gaps and noise, OSEM: relative error of its mean activity",
    against="known truth",
    high=0.02,
    reason="the target; counting noise of the region is 0.1 %",
    slow=True,
)
def uniform_cylinder() -> float:
    """|mean/true - 1| within 80 mm of the axis, 20 cm cylinder, SUV 1."""
    shape = (90, 87, 87)
    affine = axial_affine(shape, (4.0, 2.5, 2.5))
    y, x = np.indices(shape[1:]) * 2.5 - 43 * 2.5
    labels = np.broadcast_to(x**2 + y**2 <= 100**2, shape).astype(np.uint8)
    warm = replace(tissue("water"), name="warm", uptake={"fdg": 1.0})
    study = StudyContext(patient_weight_kg=70.0, study_date="20260310", study_time="003000")
    body = Anatomy(name="cylinder", labels=labels, affine=affine, tissues=(tissue("air"), warm), study=study)
    raw = nuclear.scan(body, "brain_fdg", seed=3, view_mashing=9, radial_mashing=2, radial_bins=70)
    image = nuclear.reconstruct(raw, "osem", iterations=4, subsets=7)
    points = image.points_lps_mm(np.moveaxis(np.indices(image.shape), 0, -1))
    inside = (np.hypot(points[..., 0], points[..., 1]) < 80) & (np.abs(points[..., 2]) < 90)
    true = 200e6 * 2 ** (-3600 / 6584.04) / 70e3
    return float(abs(image.array[inside].mean() / true - 1))


def _sensitivity(scanner: Scanner, span: int) -> float:
    """Relative difference of the modelled NEMA sensitivity from the published one."""
    sampling = sampling_of(scanner, span=span, max_ring_difference=scanner.rings - 4, view_mashing=4, radial_bins=25)
    grid = Grid((2 * scanner.rings - 1, 21, 21), (sampling.plane_pitch_mm, 2.0, 2.0))
    offset = (np.arange(21) - 10) * 2.0
    rod = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * 4.0**2))
    rod *= 1000 / (rod.sum() * 4.0)
    image = np.broadcast_to(rod, grid.shape).astype(np.float32)
    efficiency = np.where(scanner.live_crystals(), mean_efficiency(scanner), 0.0)
    counts = (trues_sensitivity(sampling, efficiency) * SinogramProjector(sampling, grid)(image)).sum(dtype=float)
    return float(abs(counts * 0.9686 / 0.7 / scanner.sensitivity_cps_per_kbq - 1))


_SENSITIVITY = (
    "fixed by it; checks the geometry between: on the axis gaps face each other, and steep planes are left out"
)


@check(
    "NEMA line source on the axis of the Biograph mMR: counts against the published sensitivity, relative difference",
    against="published reference",
    high=0.06,
    reason=_SENSITIVITY,
)
def sensitivity_biograph_mmr() -> float:
    """Karlberg et al. 2016: 13.3 kcps/MBq."""
    return _sensitivity(BIOGRAPH_MMR, 11)


@check(
    "NEMA line source on the axis of the Discovery MI: counts against the published sensitivity, relative difference",
    against="published reference",
    high=0.06,
    reason=_SENSITIVITY,
)
def sensitivity_discovery_mi() -> float:
    """Hsu et al. 2017: 13.7 cps/kBq."""
    return _sensitivity(DISCOVERY_MI, 2)


@check(
    "SUV factors of four vendors' headers (calculate-suv): largest relative difference",
    against="published reference",
    high=1e-5,
    reason="times are given to the second or better",
)
def suv_of_vendors() -> float:
    """Philips, Siemens, GE and CPS in Bq/ml."""
    folder = data("nuclear/calculate_suv")
    expected = json.loads((folder / "expected_suvbw.json").read_text())
    differences = []
    for case in ("PHILIPS_BQML", "SIEMENS", "GE_MEDICAL_AND_BQML", "CPS_AND_BQML_AC_DT_-_S_DT"):
        header = json.loads((folder / "metadata" / f"{case}-instances.json").read_text())[0]
        got = suv_factor({**header, "RadiopharmaceuticalInformationSequence": [header]}, header["PatientWeight"])
        differences.append(abs(got / float(expected[case]) - 1))
    return max(differences)


@check(
    "Attenuation at 511 keV from CT numbers of tissues at 75 keV (120 kV): largest relative difference",
    against="published reference",
    high=0.04,
    reason="two straight lines for all tissues: patients' scatter about them by as much (Carney 2006, figure 3)",
)
def attenuation_of_tissues() -> float:
    """Against each tissue's own coefficient (xraydb), water to cortical bone."""
    water = 0.998 * mass_attenuation({"H": 0.111894, "O": 0.888106}, 75.0)[0]
    names = ("water", "muscle", "adipose", "grey_matter", "white_matter", "spongiosa", "cortical_bone")
    tissues = [all_tissues()[name] for name in names]
    numbers = [1000 * (item.attenuation_coefficient(75.0)[0] / water - 1) for item in tissues]
    ct = Image(
        array=np.array(numbers, np.float32).reshape(1, 1, -1),
        affine=np.eye(4),
        quantity=quantity("ct_number"),
        attributes={"KVP": 120},
    )
    got = nuclear.attenuation_map_from_ct(ct).array.ravel()
    true = np.array([item.attenuation_coefficient(511.0)[0] for item in tissues])
    return float(np.abs(got / true - 1).max())
