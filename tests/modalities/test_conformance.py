"""One suite over the table of modalities: what every modality must do alike."""

import numpy as np
import pytest
from scipy.ndimage import center_of_mass

from pellucid import container, dicom
from pellucid.errors import CancelledError, InvalidInputError, UnknownOptionError
from pellucid.image import Image
from pellucid.modality import all_modalities, known_modalities, modality, reconstruct

KEYS = known_modalities()
CENTRE = np.array([8.0, -12.0, 20.0])
"""Of the block patient."""
MIRRORS = {
    "left-right": np.array([-1, 1, 1]),
    "front-back": np.array([1, -1, 1]),
    "head-foot": np.array([1, 1, -1]),
}


QUICK = {"xray": ("parallel_monoenergetic", {"views": 360, "columns": 256, "column_spacing_mm": 1.0})}
"""Of the protocols of a modality, with settings; otherwise its first."""
SMALL = {"xray": {"matrix": 256}}
"""Parameters of the default method, for as many voxels as these tests need."""


@pytest.fixture(scope="module")
def signals(block_patient):
    chosen = {key: QUICK.get(key, (modality(key).protocols[0].name, {})) for key in KEYS}
    return {key: modality(key).scan(block_patient, name, seed=1, **some) for key, (name, some) in chosen.items()}


@pytest.fixture(scope="module")
def images(signals):
    return {key: reconstruct(raw, parameters=SMALL.get(key)) for key, raw in signals.items()}


def test_keys_and_names_are_unique():
    for owner in all_modalities():
        for things in (owner.readers, owner.methods, owner.protocols):
            names = [thing.name for thing in things]
            assert len(names) == len(set(names)), names
            assert names or things is owner.readers


@pytest.mark.parametrize("key", KEYS)
def test_every_method_says_what_it_is(key):
    for method in modality(key).methods:
        assert method.source, method.name
        assert method.function.__doc__, method.name
        for parameter in method.parameters:
            if parameter.default is not None:
                assert parameter.check(parameter.default) == parameter.default


@pytest.mark.parametrize("key", KEYS)
def test_every_protocol_has_values_in_range(key):
    for protocol in modality(key).protocols:
        for parameter in protocol.parameters:
            if parameter.default is not None:
                parameter.check(parameter.default)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("head", [b"", b"\0" * 4096, b"hello, world\n" * 300, bytes(range(256)) * 16])
def test_readers_refuse_what_is_not_theirs(key, head):
    for reader in modality(key).readers:
        assert not reader.sniff(head, "notes.txt"), reader.name


@pytest.mark.parametrize("key", KEYS)
def test_signal_describes_itself_and_survives_its_file(key, signals, images, tmp_path):
    raw = signals[key]
    assert raw.modality == key
    assert raw.provenance.operation == "scan"
    assert raw.provenance.parameters["seed"] == 1
    assert all(isinstance(value, str) for value in raw.summary().values())
    for view in raw.signal_views():
        assert view.array.ndim == 2
        assert np.all(np.isfinite(view.array))
    container.write(raw, tmp_path / "raw.pellucid.h5")
    again = reconstruct(container.read(tmp_path / "raw.pellucid.h5"), parameters=SMALL.get(key))
    assert np.allclose(again.array, images[key].array, rtol=1e-4, atol=1e-4 * np.abs(again.array).max())


@pytest.mark.parametrize("key", KEYS)
def test_image_is_in_place_with_unit_and_origin(key, images, block_patient):
    image = images[key]
    assert isinstance(image, Image)
    assert np.all(np.isfinite(image.array))
    assert image.quantity.unit
    assert image.study.frame_of_reference_uid == block_patient.study.frame_of_reference_uid
    assert image.provenance.operation == "reconstruct"
    assert image.provenance.method.startswith(key)
    assert image.provenance.parents[0].operation == "scan"


@pytest.mark.parametrize("key", KEYS)
def test_insert_is_where_it_is_in_the_patient(key, images, block_patient):
    """The insert's centre, found in the picture, is within a millimetre or two of the truth: nothing is flipped."""
    image = images[key]
    insert = [tissue.name for tissue in block_patient.tissues].index("grey_matter")
    truth = block_patient.affine[:3, :3] @ center_of_mass(block_patient.labels == insert) + block_patient.affine[:3, 3]
    index = np.moveaxis(np.indices(image.shape), 0, -1)
    distance = np.linalg.norm(image.points_lps_mm(index) - truth, axis=-1)
    inside, around = distance < 12, (distance > 24) & (distance < 34)
    others = {}
    for name, mirror in MIRRORS.items():
        mirrored = CENTRE + (truth - CENTRE) * mirror
        there = np.linalg.norm(image.points_lps_mm(index) - mirrored, axis=-1) < 12
        others[name] = abs(np.abs(image.array[there]).mean() - np.abs(image.array[around]).mean())
    contrast = abs(np.abs(image.array[inside]).mean() - np.abs(image.array[around]).mean())
    assert contrast > 2 * max(others.values()), (contrast, others)


@pytest.mark.parametrize("key", KEYS)
def test_dicom_reads_back_to_the_same_image(key, images, tmp_path):
    image = images[key]
    dicom.write_series(image, tmp_path)
    (back,) = dicom.read_series(sorted(tmp_path.iterdir()))
    assert np.allclose(back.affine, image.affine, atol=1e-3)
    assert back.study.frame_of_reference_uid == image.study.frame_of_reference_uid
    span = float(np.ptp(image.array))
    if image.quantity.unit == "1":  # MR signal has no scale of its own: compare after the best factor
        factor = float(np.vdot(back.array, image.array) / np.vdot(back.array, back.array))
        assert np.max(np.abs(back.array * factor - image.array)) <= span / 3000
    else:
        assert back.quantity == image.quantity
        # Half a step of fifteen bits over the span, or of whole CT numbers.
        limit = 0.501 if image.modality == "CT" else 0.501 * span / 32700
        assert np.max(np.abs(back.array - image.array)) <= limit


@pytest.mark.parametrize("key", KEYS)
def test_work_is_cancelled_from_progress(key, signals):
    def stop(fraction, message="", preview=None):
        raise CancelledError("stop")

    for method in modality(key).methods_for(signals[key]):
        with pytest.raises(CancelledError):
            reconstruct(signals[key], method.name, progress=stop)


@pytest.mark.parametrize("key", KEYS)
def test_unknown_names_are_refused_with_the_known_ones(key, signals):
    with pytest.raises(UnknownOptionError, match="known: "):
        reconstruct(signals[key], "no_such_method")
    with pytest.raises(UnknownOptionError, match="known: "):
        reconstruct(signals[key], parameters={"no_such_parameter": 1})
    with pytest.raises(UnknownOptionError, match="known: "):
        modality(key).protocol("no_such_protocol")


@pytest.mark.parametrize("key", KEYS)
def test_a_number_beyond_its_range_is_refused(key, signals):
    for method in modality(key).methods_for(signals[key]):
        for parameter in method.parameters:
            if parameter.kind in ("integer", "number"):
                with pytest.raises(InvalidInputError, match=parameter.name):
                    reconstruct(signals[key], method.name, parameters={parameter.name: float("nan")})


@pytest.mark.parametrize(
    "relative",
    [
        "mr/raw/siemens_twix/gre.dat",
        "mr/raw/bart_pics_brain/ksp.cfl",
        "xray/tooth_tomopy/tooth.h5",
        "nuclear/stir/scatter_cylinder.hs",
    ],
)
def test_a_scanners_file_becomes_a_dicom_series(relative, real_data, tmp_path):
    """From each format's real file to DICOM that reads back: nothing that a reader says is refused on the way."""
    from pellucid import verbs

    raw = next(thing for thing in verbs.read_all(real_data(relative)) if not isinstance(thing, Image))
    image = reconstruct(raw)
    dicom.write_series(image, tmp_path)
    (back,) = dicom.read_series(sorted(tmp_path.iterdir()))
    assert np.allclose(back.affine, image.affine, atol=1e-3)
