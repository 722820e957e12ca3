"""A scan setting that a mode ignores is refused, and only such a one: each is changed in every mode that it knows.

What a mode ignores is not taken from the declarations: the signals of two scans that differ in it are compared.
"""

from dataclasses import fields, is_dataclass, replace
from functools import cache, lru_cache
from itertools import product

import numpy as np
import pytest
from tests.patients import few_voxels

from pellucid import verbs
from pellucid.errors import InvalidInputError
from pellucid.modalities import mr, nuclear, xray
from pellucid.modality import all_modalities, modality
from pellucid.parameters import changed, fields_of

SMALL = {
    "mr": mr.Settings(
        resolution_mm=8.0, slice_thickness_mm=8.0, slices=4, coils=2, repetition_time_ms=9000.0,
        acceleration_phase=2.0, acceleration_slice=2, calibration_lines=4,
    ),
    "xray": xray.Settings(
        detector="flat", views=8, columns=16, column_spacing_mm=20.0, slice_thickness_mm=12.0, rows=4
    ),
    "nuclear": nuclear.Settings(
        view_mashing=63, radial_mashing=16, radial_bins=20, span=3, max_ring_difference=1, duration_s=60.0
    ),
}  # fmt: skip
OTHER = {
    "mr": {
        "sequence": "spin_echo", "repetition_time_ms": 5000.0, "echo_time_ms": 30.0, "inversion_time_ms": 900.0,
        "flip_angle_deg": 35.0, "field_strength_t": 1.5, "dimensions": "3d", "orientation": "coronal",
        "tilt_deg": 20.0, "resolution_mm": 9.0, "slice_thickness_mm": 6.0, "slice_gap_mm": 2.0, "slices": 3,
        "rows": 16, "columns": 40, "readout_oversampling": 2, "coils": 3, "sampling": "regular",
        "acceleration_phase": 3.0, "acceleration_slice": 4, "calibration_lines": 2, "partial_fourier": 0.6,
        "signal_to_noise": 20.0, "prescan": False, "b1_variation": 0.3,
    },
    "xray": {
        "beam": "parallel", "detector": "curved", "source": "monoenergetic", "tube_voltage_kv": 80.0,
        "tube_current_ma": 50.0, "rotation_time_s": 0.5, "filtration_mm_al": 3.0, "filtration_mm_cu": 0.2,
        "anode_angle_deg": 15.0, "energy_kev": 60.0, "photons_per_ray": 1e3, "detector_efficiency": 0.3,
        "electronic_noise": 40.0, "noise": False, "views": 6, "range_deg": 180.0, "start_deg": 20.0, "columns": 12,
        "column_spacing_mm": 15.0, "column_offset_mm": 4.0, "rows": 3, "row_spacing_mm": 3.0,
        "slice_thickness_mm": 6.0, "coverage_mm": 12.0, "source_isocentre_mm": 600.0, "source_detector_mm": 1200.0,
        "shift_left_mm": 7.0, "shift_posterior_mm": -7.0,
    },
    "nuclear": {
        "injected_mbq": 90.0, "uptake_min": 30.0, "duration_s": 30.0, "span": 1, "max_ring_difference": 4,
        "radial_bins": 10, "view_mashing": 126, "radial_mashing": 8, "attenuation": False, "scatter": False,
        "randoms": False, "noise": False, "efficiency_spread": 0.0, "isocentre_left_mm": 20.0,
        "isocentre_posterior_mm": 20.0, "isocentre_head_mm": 35.0,
    },
}  # fmt: skip
"""Another value of every setting."""
ONE_CHOICE = {"nuclear": {"tracer", "scanner"}}
"""Without another value: there is one, or it needs other bins."""


@cache
def patient():
    return few_voxels(6, 6.0, np.s_[1:3, 5:8, 6:9])


def same(a, b):
    """Whether two signals are alike in everything but where they came from."""
    if is_dataclass(a) and type(a) is type(b):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a) if f.name != "provenance")
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return type(a) is type(b) and a == b


def choices(known, name):
    """Every value of a setting with few of them."""
    parameter = known[name]
    return parameter.choices or ((True, False) if parameter.kind == "boolean" else ())


def refusal(settings, name, value):
    """Why a setting is not taken, or "" where it is."""
    try:
        changed(settings, {name: value}, "protocol")
    except InvalidInputError as error:
        return str(error)
    return ""


@lru_cache(maxsize=64)
def scanned(key, *changes):
    """The signal, None where the modes do not go together."""
    try:
        return modality(key).scan(patient(), replace(SMALL[key], **dict(changes)), seed=1)
    except InvalidInputError:
        return None


def check_refused_if_ignored(key, name, mode):
    """In this mode: refused where the signal stays the same, taken where it does not. False: nothing to compare."""
    value = OTHER[key][name]
    before, after = scanned(key, *mode.items()), scanned(key, *(mode | {name: value}).items())
    if before is None or after is None or name in mode:
        return False
    settings = replace(SMALL[key], **mode)
    about = {parameter.name: parameter.about for parameter in fields_of(type(settings))}[name]
    words = refusal(settings, name, value)
    assert bool(words) == (same(before, after) and value != about.otherwise), (name, mode, words)
    assert not words or (words.startswith(f"{name}: is ") and "does nothing with" in words)
    return True


CONDITIONAL = [
    (owner.key, parameter.name)
    for owner in all_modalities()
    for parameter in owner.protocols[0].parameters
    if parameter.about.applies
]


@pytest.mark.parametrize(("key", "name"), CONDITIONAL)
def test_a_setting_that_its_modes_ignore_is_refused(key, name):
    known = {parameter.name: parameter for parameter in fields_of(type(SMALL[key]))}
    switches = sorted({mode.name for mode in known[name].about.applies})
    modes = [dict(zip(switches, values, strict=True)) for values in product(*(choices(known, s) for s in switches))]
    assert sum(check_refused_if_ignored(key, name, mode) for mode in modes) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("key", OTHER)
def test_every_other_setting_counts_in_every_mode(key):
    known = {parameter.name: parameter for parameter in fields_of(type(SMALL[key]))}
    modes = [{}] + [{name: value} for name in OTHER[key] for value in choices(known, name)]
    for name in OTHER[key]:
        assert sum(check_refused_if_ignored(key, name, mode) for mode in modes) >= 4, name


@pytest.mark.parametrize("owner", all_modalities(), ids=lambda owner: owner.key)
def test_modes_are_settings_and_their_values(owner):
    known = {parameter.name: parameter for parameter in owner.protocols[0].parameters}
    assert set(OTHER[owner.key]) == set(known) - ONE_CHOICE.get(owner.key, set()), "a setting without another value"
    for parameter in known.values():
        for mode in parameter.about.applies:
            assert set(mode.values) < set(choices(known, mode.name)), (parameter.name, mode.name)


@pytest.mark.parametrize(
    ("protocol", "changes", "message"),
    [
        (
            "mr/t1_gre",
            {"acceleration_phase": 4},
            "acceleration_phase: is 4, which does nothing with sampling=full; "
            "it applies to sampling=regular or poisson or radial",
        ),
        ("mr/t1_radial", {"partial_fourier": 0.6}, "does nothing with sampling=radial"),
        (
            "mr/t1_gre",
            {"sampling": "poisson", "acceleration_slice": "4"},
            "acceleration_slice: is 4, which does nothing with sampling=poisson and dimensions=2d; "
            "it applies to sampling=regular and dimensions=3d",
        ),
        ("xray/head", {"source": "monoenergetic", "tube_voltage_kv": 80}, "it applies to source=tube"),
        ("nuclear/brain_fdg", {"attenuation": "no", "scatter": "yes"}, "scatter: is true, which does nothing with"),
    ],
)
def test_the_refusal_says_what_the_mode_and_where_it_applies(protocol, changes, message):
    with pytest.raises(InvalidInputError, match="does nothing with") as refused:
        verbs.scan(patient(), protocol, **changes)
    assert message in str(refused.value)
    key, name = protocol.split("/")
    with pytest.raises(InvalidInputError, match="does nothing with"):
        modality(key).scan(patient(), name, **changes)


def test_what_the_protocol_or_own_settings_hold_is_not_refused():
    """A protocol's own value of a setting that a changed mode ignores, and values that say what the mode does."""
    settings = modality("mr").protocol("t1_gre_sense_2x2").settings
    assert settings.acceleration_slice == 2
    assert changed(settings, {"dimensions": "2d"}, "mr").acceleration_slice == 2
    off = {"sampling": "full", "acceleration_phase": 1, "acceleration_slice": 1, "partial_fourier": 1.0}
    assert changed(settings, off, "mr").acceleration_phase == 1
    assert changed(SMALL["nuclear"], {"attenuation": False, "scatter": False}, "nuclear").scatter is False
    assert changed(SMALL["xray"], {"beam": "cone", "coverage_mm": None}, "xray").coverage_mm is None
    small = replace(SMALL["mr"], sampling="full", acceleration_phase=4.0)
    assert mr.scan(patient(), small, seed=1).samples.any()


def test_a_radial_scan_is_square():
    radial = {"resolution_mm": 8.0, "slices": 1, "coils": 1}
    assert mr.scan(patient(), "t1_radial", rows=24, **radial).image_shape == (1, 24, 24)
    with pytest.raises(InvalidInputError, match="rows: is 24 with columns=32; a radial scan is square"):
        mr.scan(patient(), "t1_radial", rows=24, columns=32, **radial)


def test_a_map_for_a_patient_who_does_not_attenuate_is_refused():
    mu = patient().property("attenuation_coefficient", energy_kev=511.0)
    with pytest.raises(InvalidInputError, match="attenuation_map: does nothing with attenuation=false"):
        nuclear.scan(patient(), SMALL["nuclear"], attenuation_map=mu, attenuation=False)
