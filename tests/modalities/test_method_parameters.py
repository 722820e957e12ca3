"""A method's parameter changes the image of a signal or is refused there: every one, of every method, on small signals.

What a signal ignores is not taken from the declarations: the method itself is called, and its images are compared.
"""

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from tests.patients import few_voxels

from pellucid.errors import InvalidInputError
from pellucid.modalities import mr, nuclear, xray
from pellucid.modalities.nuclear.scanner import BIOGRAPH_MMR
from pellucid.modality import all_modalities, modality, reconstruct
from pellucid.server.raw_details import details_of

SMALL = {
    "mr": mr.Settings(
        resolution_mm=4.0, slice_thickness_mm=9.0, slices=1, columns=48, rows=32, coils=4, calibration_lines=12,
        signal_to_noise=100.0, prescan=False,
    ),
    "xray": xray.Settings(
        detector="flat", views=40, columns=17, column_spacing_mm=20.0, slice_thickness_mm=12.0, rows=3,
        photons_per_ray=1e4,
    ),
    "nuclear": nuclear.Settings(
        view_mashing=63, radial_mashing=16, radial_bins=20, span=3, max_ring_difference=1, duration_s=60.0
    ),
}  # fmt: skip
SIGNALS = {
    "mr": {
        "full": {"sampling": "full"},
        "prescan": {"sampling": "full", "prescan": True, "slices": 2},
        "one coil": {"sampling": "full", "coils": 1},
        "partial": {"sampling": "full", "partial_fourier": 0.7},
        "regular": {"sampling": "regular", "acceleration_phase": 2.0},
        "volume": {"sampling": "regular", "acceleration_phase": 2.0, "dimensions": "3d", "slices": 12, "columns": 6},
        "radial": {"sampling": "radial", "rows": 48},
        "one coil, radial": {"sampling": "radial", "rows": 48, "coils": 1},
    },
    "xray": {
        "tube": {"beam": "fan"},
        "one energy": {"beam": "parallel", "source": "monoenergetic"},
        "cone": {"beam": "cone"},
    },
    "nuclear": {"mMR": {}},
}
"""Small scans of each modality, by their settings; `made` derives more from them."""
QUICK = {
    "mr": {"iterations": 2},
    "xray": {"iterations": 8, "matrix": 16},
    "nuclear": {"iterations": 1, "subsets": 2, "filter_mm": 4.0},
}
VALUES = {
    "mr": {
        "iterations": (1,), "regularisation": (0.5,), "calibration_lines": (8, 16, 64), "kernel": (4,),
        "maps": (2,), "undersampling": (2, 3, 16),
    },
    "xray": {
        "cutoff": (0.3, 0.9), "matrix": (8, 15), "field_of_view_mm": (50.0, 200.0), "slice_thickness_mm": (6.0, 24.0),
        "keep_every": (2, 64), "centre_of_rotation_px": (0.0, 7.5, 99.0), "iterations": (1, 9),
        "relaxation": (0.1, 1.9), "damping": (0.1, 1.0), "regularisation": (0.0, 0.5),
    },
    "nuclear": {
        "iterations": (2,), "subsets": (1, 4, 500), "filter_mm": (0.0, 20.0), "voxel_mm": (9.0, 20.0),
        "keep_every": (2, 64), "cutoff": (0.3, 1.0),
    },
}  # fmt: skip
"""Values of the parameters that are numbers; of the others all are tried."""
AUTOMATIC = {"normalise", "density"}
"""Their values may say what automatic does anyway: normalise=off without a prescan, density=ramp of spokes."""
UNKNOWN_BEFORE = {"maps"}
"""Only the image tells whether a second set of sensitivities found anything."""
MORE_THAN_THERE_ARE = {"calibration_lines"}
"""Asking for more than the signal has is refused though more samples of each line would be used."""


@cache
def patient():
    return few_voxels(8, 9.0, np.s_[1:6, 5:11, 6:11])


@cache
def scanned(key, name):
    return modality(key).scan(patient(), replace(SMALL[key], **SIGNALS[key][name]), seed=1)


def bent(raw):
    """Spokes that are none, so that their density is not a ramp."""
    turned = raw.trajectory[..., [0, 2, 1]] * np.linspace(-0.1, 0.1, raw.trajectory.shape[1])[:, None]
    return replace(raw, trajectory=(raw.trajectory + turned).astype(np.float32))


def blind(raw):
    """The same counts of a scanner that does not say how sharply it sees."""
    scanner = replace(BIOGRAPH_MMR, resolution_fwhm_mm=(0.0, 0.0))
    return replace(raw, sampling=replace(raw.sampling, scanner=scanner))


def one_spoke(raw):
    return replace(raw, samples=raw.samples[..., :1, :].copy(), trajectory=raw.trajectory[:1].copy())


MADE = {
    ("mr", "bent"): lambda: bent(scanned("mr", "radial")),
    ("mr", "one spoke"): lambda: one_spoke(scanned("mr", "radial")),
    ("mr", "few lines"): lambda: few_lines(scanned("mr", "full")),
    ("xray", "no spectrum"): lambda: replace(scanned("xray", "tube"), spectrum=None),
    ("nuclear", "resolution unknown"): lambda: blind(scanned("nuclear", "mMR")),
}
"""Signals that no scan gives."""


def few_lines(raw):
    """A grid of so few lines that thinning keeps them all for the calibration."""
    samples, sampled = raw.samples[..., 6:26, :].copy(), raw.sampled[:, 6:26].copy()
    slices, _, columns = raw.image_shape
    fov = (raw.encoded_fov_mm[0], 20 * raw.voxel_mm[1], raw.encoded_fov_mm[2])
    return replace(raw, samples=samples, sampled=sampled, image_shape=(slices, 20, columns), encoded_fov_mm=fov)


@cache
def signal(key, name):
    return MADE[key, name]() if (key, name) in MADE else scanned(key, name)


def names_of(key):
    return [*SIGNALS[key], *(name for owner, name in MADE if owner == key)]


def made_by(method, raw, values):
    """The image by the method itself, which asks nobody; None where it refuses."""
    try:
        return method.function(raw, **values)
    except InvalidInputError:
        return None


def same(a, b):
    """Whether two images are alike to what rounding does."""
    if a.shape != b.shape or not np.array_equal(a.affine, b.affine):
        return False
    return bool(np.abs(a.array - b.array).max() <= 1e-5 * np.abs(a.array).max())


def refusal(method, raw, values):
    """Why values are not taken, or ""."""
    try:
        method.checked(raw, values)
    except InvalidInputError as error:
        return str(error)
    return ""


def other_values(key, parameter, usual):
    """What a parameter is changed to."""
    flags = (True, False) if parameter.kind == "boolean" else ()
    values = parameter.choices or flags or VALUES[key][parameter.name]
    return [value for value in values if value != usual and value != parameter.default]


def is_right(method, raw, values, name, plain):
    """Whether a value is refused, in one line, exactly where it leaves the image as it is."""
    image, words = made_by(method, raw, values), refusal(method, raw, values)
    if words and not re.fullmatch(f"{name}: is .+, but .+; expected .+", words):
        return False
    if image is None or name in AUTOMATIC | UNKNOWN_BEFORE:
        return True
    return bool(words) if same(image, plain) else not words or name in MORE_THAN_THERE_ARE


def wrong_values(key, raw, method):
    """The values of a method's parameters that neither change the image nor are refused, or are refused for nothing."""
    known = {parameter.name: parameter for parameter in method.parameters}
    usual = {name: value for name, value in QUICK[key].items() if name in known}
    plain = made_by(method, raw, usual)
    assert plain is not None
    return [
        (method.name, parameter.name, value)
        for parameter in known.values()
        for value in other_values(key, parameter, usual.get(parameter.name))
        if not is_right(method, raw, usual | {parameter.name: value}, parameter.name, plain)
    ]


ALL = [(owner.key, name) for owner in all_modalities() for name in names_of(owner.key)]
DIRECT = {"fft", "nufft", "fbp", "fdk"}
"""Quick methods; the iterative ones take what the direct ones do, and are tried on a signal or two."""


@pytest.mark.parametrize(("key", "name"), ALL)
def test_a_parameter_changes_the_image_or_is_refused(key, name):
    raw = signal(key, name)
    usable = [method for method in modality(key).methods_for(raw) if method.name in DIRECT]
    assert usable
    assert not [wrong for method in usable for wrong in wrong_values(key, raw, method)]


@pytest.mark.parametrize(
    ("key", "name", "method"),
    [
        ("mr", "few lines", "sense"), ("xray", "no spectrum", "cgls"), ("nuclear", "mMR", "osem"),
        ("nuclear", "resolution unknown", "mlem"),
    ],
)  # fmt: skip
def test_a_parameter_of_an_iterative_method_too(key, name, method):
    assert not wrong_values(key, signal(key, name), modality(key).method(method))


@pytest.mark.slow
@pytest.mark.parametrize(("key", "name"), ALL)
def test_a_parameter_of_every_iterative_method_too(key, name):
    raw = signal(key, name)
    usable = [method for method in modality(key).methods_for(raw) if method.name not in DIRECT]
    assert not [wrong for method in usable for wrong in wrong_values(key, raw, method)]


@pytest.mark.parametrize(
    ("key", "name", "method", "values", "message"),
    [
        (
            "xray", "no spectrum", "fbp", {"beam_hardening_correction": "no"},
            "beam_hardening_correction: is false, but this signal comes without a spectrum, so that no beam hardening "
            "is corrected anyway; expected true, the default",
        ),
        ("xray", "one energy", "cgls", {"beam_hardening_correction": False}, "this signal is of one photon energy"),
        (
            "mr", "full", "fft", {"partial_fourier": "zero_fill"},
            "partial_fourier: is zero_fill, but the lines used are not those of a partial Fourier scan: none to fill; "
            "expected homodyne, the default",
        ),
        ("mr", "one coil", "fft", {"combination": "adaptive"}, "is adaptive, but this signal has one coil"),
        (
            "mr", "partial", "sense", {"calibration_lines": "64"},
            "calibration_lines: is 64, but the centre of this signal's k-space has 13 fully sampled lines; "
            "expected 8 to 13",
        ),
        (
            "mr", "regular", "fft", {"undersampling": 2},
            "undersampling: is 2, but all of this signal's lines are used with it too; expected 1 or 3 or 4",
        ),
        ("nuclear", "resolution unknown", "osem", {"resolution": "yes"}, "this signal's scanner states no resolution"),
    ],
)  # fmt: skip
def test_the_refusal_says_what_why_and_what_is_expected(key, name, method, values, message):
    with pytest.raises(InvalidInputError) as refused:
        reconstruct(signal(key, name), method, parameters=values)
    assert message in str(refused.value)


@pytest.mark.parametrize(("key", "name"), ALL)
def test_the_defaults_may_be_said(key, name):
    """As the viewer says them all; and `normalise=off`, which an image without a prescan says of itself."""
    raw = signal(key, name)
    for method in modality(key).methods_for(raw):
        assert method.checked(raw, method.defaults) == method.defaults
        if key == "mr":
            assert method.checked(raw, {"normalise": "off"}) == {"normalise": "off"}


@pytest.mark.parametrize(
    ("key", "name", "hidden"),
    [
        ("mr", "partial", set()),
        ("mr", "full", {"partial_fourier"}),
        ("mr", "one coil", {"partial_fourier", "combination"}),
        ("mr", "one spoke", {"undersampling"}),
        ("mr", "few lines", {"partial_fourier", "undersampling"}),
        ("xray", "tube", set()),
        ("xray", "no spectrum", {"beam_hardening_correction"}),
        ("nuclear", "resolution unknown", {"resolution"}),
    ],
)
def test_what_does_nothing_is_not_offered(key, name, hidden):
    raw = signal(key, name)
    offered = {parameter.name for method in modality(key).methods_for(raw) for parameter in method.parameters_for(raw)}
    known = {parameter.name for method in modality(key).methods_for(raw) for parameter in method.parameters}
    assert known - offered == hidden
    listed = details_of(raw).methods
    assert offered == {parameter["name"] for method in listed for parameter in method["parameters"]}
