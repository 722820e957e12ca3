"""Scans of small patients: the physics against sums over materials and energies, the noise against its law."""

from dataclasses import replace

import numpy as np
import pytest

from pellucid.anatomy import Anatomy, brain, tissues
from pellucid.anatomy.phantoms import Cylinder, MaterialPhantom, Part
from pellucid.errors import InvalidInputError, UnknownOptionError
from pellucid.image import axial_affine
from pellucid.modalities import xray
from pellucid.modalities.xray.counts import line_integrals
from pellucid.modalities.xray.detector import FULL_SCALE
from pellucid.modalities.xray.polychromatic import attenuation_basis, transmission
from pellucid.modalities.xray.spectrum import tube_output
from pellucid.study import StudyContext
from validation.rays import exact_line_integrals

SMALL = {"views": 96, "columns": 96, "column_spacing_mm": 2.0, "slice_thickness_mm": 10.0}


def rod(material, radius=50.0, centre=(0.0, 0.0, 0.0), length=20.0):
    return MaterialPhantom(
        name=material,
        parts=(Part(Cylinder(centre_mm=centre, semi_axes_mm=radius, length_mm=length), material, "air"),),
        tissues=tissues("air", material),
    )


@pytest.fixture(scope="module")
def head():
    """A few slices of the head with markers, bone and brain."""
    whole = brain()
    where = slice(120, 136)
    affine = whole.affine.copy()
    affine[:3, 3] += affine[:3, 0] * where.start
    return replace(whole, labels=whole.labels[where], affine=affine, fiducials=())


def test_water_cylinder_in_closed_form():
    phantom = rod("water")
    water = phantom.tissues[1]
    raw = xray.scan(phantom.anatomy(0.5, margin_mm=2.0), "head", noise=False, coverage_mm=10.0, **SMALL)
    data = line_integrals(raw)[:, 0]
    length_cm = exact_line_integrals(phantom.analytic([0.0, 1.0]), raw.geometry)[:, 0] / 10
    exact = raw.spectrum.water_line_integral(length_cm)
    assert water.name == "water"
    # Voxels of 0.5 mm (the labelled volume has no partial volumes) along a chord of up to 100 mm.
    assert np.abs(data - exact).mean() < 2e-3 * exact.max()
    middle = np.abs(length_cm - 10) < 0.2
    assert np.abs(data - exact)[middle].max() < 0.01 * exact.max()


def test_basis_functions_stand_for_all_tissues(head):
    """Against the sum over every tissue and every energy of the spectrum, along random paths through all tissues."""
    spectrum = tube_output(120.0, 10.0, 7.0).detected()
    curves = head.values("attenuation_coefficient", energies_kev=spectrum.energies_kev).astype(float)
    basis = attenuation_basis(curves, spectrum)
    assert basis.functions.shape[0] <= 4
    paths_cm = np.random.default_rng(4).random((500, len(curves))) * 2.5
    paths_cm[:, [item.name == "cortical_bone" for item in head.tissues]] *= 0.6
    exact = -np.log(np.exp(-paths_cm @ curves) @ spectrum.weights)
    signal, variance = transmission(spectrum, basis)((paths_cm @ basis.coefficients).T.astype(np.float32))
    assert exact.max() > 5
    # One CT number of what 20 cm of water attenuate is 0.004.
    assert np.abs(-np.log(signal) - exact).max() < 2e-3
    energy = np.exp(-paths_cm @ curves) @ (spectrum.weights * spectrum.energies_kev)
    mean_kev = 1 / (spectrum.weights @ (1 / spectrum.energies_kev))
    assert np.allclose(variance, energy / mean_kev, rtol=5e-3)


def test_more_basis_functions_are_used_where_the_tolerance_asks(head):
    spectrum = tube_output(80.0, 10.0, 2.5).detected()
    curves = head.values("attenuation_coefficient", energies_kev=spectrum.energies_kev).astype(float)
    counts = [attenuation_basis(curves, spectrum, tolerance).functions.shape[0] for tolerance in (0.5, 1e-2, 1e-5)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] <= 5


def test_noise_is_that_of_the_photons():
    phantom = rod("water", radius=30.0)
    anatomy = phantom.anatomy(2.0)
    changes = {**SMALL, "views": 2000, "columns": 24, "column_spacing_mm": 8.0, "coverage_mm": 10.0}
    options = {**changes, "electronic_noise": 0.0, "tube_current_ma": 4.0}
    ideal = xray.scan(anatomy, "head", noise=False, **options)
    noisy = xray.scan(anatomy, "head", seed=3, **options)
    again = xray.scan(anatomy, "head", seed=3, **options)
    other = xray.scan(anatomy, "head", seed=4, **options)
    assert noisy.data.dtype == np.uint16
    assert np.array_equal(noisy.data, again.data)
    assert not np.array_equal(noisy.data, other.data)
    # Photons of one ray: fluence at 1 m x inverse square x element's area x mAs per view x efficiency.
    tube = tube_output(120.0, 10.0, 7.0)
    area_mm2 = 8.0 * 10.0 * 1040 / 570
    photons = tube.photons_per_mm2_per_mas.sum() / 1.04**2 * area_mm2 * 4.0 / 2000 * 0.85
    weights, energies = tube.photons_per_mm2_per_mas, tube.energies_kev
    swank = (weights @ energies) ** 2 / (weights.sum() * (weights @ energies**2))
    outside = line_integrals(noisy)[:, 0, [0, 1, -2, -1]]
    assert np.all(line_integrals(ideal)[:, 0, 0] == 0)
    # 8000 samples: the standard deviation is known to 1/sqrt(16000) = 0.8 %; the flat field adds 1/512.
    assert outside.std() == pytest.approx(1 / np.sqrt(photons * swank), rel=0.03)
    behind = line_integrals(noisy)[:, 0, 11:13] - line_integrals(ideal)[:, 0, 11:13]
    path = tube.energies_kev * weights * np.exp(-6.0 * raw_water(energies))
    expected = np.sqrt((path @ energies) / (weights.sum() / photons)) / path.sum() * weights.sum() / photons
    assert behind.std() == pytest.approx(expected, rel=0.05)


def raw_water(energies_kev):
    return tissues("water")[0].attenuation_coefficient(energies_kev)


def test_electronic_noise_and_dark_signal():
    phantom = rod("cortical_bone", radius=70.0)
    raw = xray.scan(phantom.anatomy(2.0), "head", seed=1, tube_voltage_kv=60.0, electronic_noise=5.0, **SMALL)
    starved = raw.data[:, 0, 46:50].astype(float)
    # Behind 14 cm of bone at 60 kV nothing is left but the dark signal, 200, and its noise of 5, rounded (1/12).
    assert starved.mean() == pytest.approx(200.0, abs=3.0)
    assert starved.std() == pytest.approx(np.sqrt(25 + 1 / 12), rel=0.1)
    assert np.all(np.isfinite(line_integrals(raw)))
    assert raw.dark_field.mean() == pytest.approx(200.0, abs=0.1)
    assert raw.flat_field.mean() == pytest.approx(FULL_SCALE + 200, rel=0.01)


@pytest.mark.parametrize(
    ("protocol", "changes"),
    [
        ("head", {}),
        ("head", {"shift_left_mm": 13.0, "shift_posterior_mm": -8.0}),
        ("head", {"detector": "flat", "column_offset_mm": 3.1}),
        ("parallel_monoenergetic", {}),
        ("head_cone", {"rows": 48, "row_spacing_mm": 3.0}),
    ],
)
def test_insert_is_where_it_is_in_the_patient(protocol, changes):
    """A rod of bone to the left, behind and above the middle of a water block that is not at 0, anisotropic voxels."""
    centre = np.array([12.0, -40.0, 70.0])
    insert = centre + np.array([22.0, 14.0, 9.0])
    affine = axial_affine((25, 80, 64), (2.5, 1.25, 1.5), centre)
    points = np.moveaxis(np.indices((25, 80, 64)), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    x, y, _ = np.moveaxis(points - centre, -1, 0)
    labels = ((x / 45) ** 2 + (y / 47) ** 2 < 1).astype(np.uint8)
    labels[np.linalg.norm(points - insert, axis=-1) < 9] = 2
    anatomy = Anatomy(name="block", labels=labels, affine=affine, tissues=tissues("air", "water", "cortical_bone"))
    small = {"views": 120, "columns": 128, "column_spacing_mm": 1.5 if "para" in protocol else 2.0}
    if protocol != "head_cone":
        small["slice_thickness_mm"] = 5.0
    raw = xray.scan(anatomy, protocol, seed=2, **{**small, **changes})
    shift = [changes.get("shift_left_mm", 0.0), changes.get("shift_posterior_mm", 0.0), 0.0]
    assert np.allclose(raw.isocentre_lps_mm, centre + shift, atol=1.3)
    image = xray.reconstruct(raw, matrix=128)
    assert image.quantity.name == "ct_number"
    where = image.points_lps_mm(np.moveaxis(np.indices(image.shape), 0, -1))
    weights = np.clip(image.array, 500, None) - 500
    assert np.allclose(np.tensordot(weights, where, 3) / weights.sum(), insert, atol=0.8)
    body = (np.hypot(where[..., 0] - centre[0] + 15, where[..., 1] - centre[1] + 15) < 12) & (
        np.abs(where[..., 2] - centre[2]) < 8
    )
    assert image.array[body].mean() == pytest.approx(0.0, abs=15.0)


def test_what_a_scan_says_of_itself(head):
    study = StudyContext(patient_name="Doe^Jane")
    told = []
    raw = xray.scan(
        head, "head_low_dose", seed=9, study=study, progress=lambda f, *_: told.append(f), coverage_mm=4.0, **SMALL
    )
    assert raw.study is study
    assert raw.provenance.parameters["seed"] == 9
    assert raw.provenance.parameters["views"] == 96
    assert raw.provenance.method == "xray.head_low_dose"
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)
    image = xray.reconstruct(raw, matrix=64)
    wanted = {"KVP": 120.0, "XRayTubeCurrent": 20, "ExposureTime": 1000, "ConvolutionKernel": "HANN"}
    assert wanted.items() <= image.attributes.items()
    assert image.attributes["DistanceSourceToDetector"] == 1040.0
    assert image.study.frame_of_reference_uid == study.frame_of_reference_uid


def test_wrong_settings_are_refused(head):
    with pytest.raises(UnknownOptionError, match="known: head, head_cone"):
        xray.scan(head, "hed")
    with pytest.raises(InvalidInputError, match="tube_voltage_kv"):
        xray.scan(head, "head", tube_voltage_kv=5)
    with pytest.raises(InvalidInputError, match="'curved' with a cone beam"):
        xray.scan(head, "head", beam="cone")
    with pytest.raises(UnknownOptionError, match="parameter of xray head"):
        xray.scan(head, "head", kvp=5)
    empty = replace(head, labels=np.zeros_like(head.labels))
    with pytest.raises(InvalidInputError, match="air only"):
        xray.scan(empty, "head")
    tilted = head.affine.copy()
    tilted[1, 0] = 0.5
    with pytest.raises(InvalidInputError, match="not axial"):
        xray.scan(replace(head, affine=tilted), "head")
