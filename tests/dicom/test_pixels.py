"""Every transfer syntax that can be decoded gives back exactly what was encoded."""

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from tests.dicom.conftest import make_image

from pellucid.dicom import from_datasets, read_series, to_datasets
from pellucid.errors import InvalidInputError, UnsupportedError

IMAGE = make_image("ct_hu", (1, 37, 41))
STORED = (np.rint(IMAGE.array) + 1024)[0].astype(np.int16)

ENCODERS = {
    JPEG2000Lossless: lambda plane: imagecodecs.jpeg2k_encode(plane, codecformat="j2k", reversible=True),
    HTJ2KLossless: lambda plane: imagecodecs.htj2k_encode(plane, reversible=True),
    JPEGLSLossless: lambda plane: imagecodecs.jpegls_encode(plane.view(np.uint16)),
    JPEGLossless: lambda plane: imagecodecs.ljpeg_encode(plane.view(np.uint16), bitspersample=16),
    JPEGLosslessSV1: lambda plane: imagecodecs.ljpeg_encode(plane.view(np.uint16), bitspersample=16),
}


def written(tmp_path, dataset, syntax):
    dataset.file_meta.TransferSyntaxUID = syntax
    path = tmp_path / "x.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("syntax", list(ENCODERS), ids=lambda uid: uid.keyword)
def test_lossless_codecs(syntax, tmp_path):
    dataset = to_datasets(IMAGE)[0]
    dataset.PixelData = encapsulate([ENCODERS[syntax](STORED)])
    dataset["PixelData"].VR = "OB"
    (image,) = read_series(written(tmp_path, dataset, syntax))
    assert np.array_equal(image.array[0], STORED - 1024)


def test_run_lengths(tmp_path):
    dataset = to_datasets(IMAGE)[0]
    dataset.compress(RLELossless)
    (image,) = read_series(written(tmp_path, dataset, RLELossless))
    assert np.array_equal(image.array[0], STORED - 1024)


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian],
    ids=lambda uid: uid.keyword,
)
def test_native(syntax, tmp_path):
    (image,) = read_series(written(tmp_path, to_datasets(IMAGE)[0], syntax))
    assert np.array_equal(image.array[0], STORED - 1024)


def test_big_endian(tmp_path):
    dataset = to_datasets(IMAGE)[0]
    dataset.PixelData = STORED.astype(">i2").tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    path = tmp_path / "x.dcm"
    dataset.save_as(path, implicit_vr=False, little_endian=False, enforce_file_format=True)
    (image,) = read_series(path)
    assert np.array_equal(image.array[0], STORED - 1024)


@pytest.mark.parametrize(("bits", "signed"), [(8, 0), (8, 1), (16, 0), (32, 0), (32, 1)])
def test_every_width(bits, signed, tmp_path):
    dataset = to_datasets(make_image("mr_signal", (1, 4, 4)))[0]
    del dataset.RealWorldValueMappingSequence
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    values = np.linspace(low, high, 16).astype(np.int64)
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, signed
    dataset.PixelData = values.astype(f"<{'i' if signed else 'u'}{bits // 8}").tobytes()
    (image,) = read_series(written(tmp_path, dataset, ExplicitVRLittleEndian))
    assert image.array.ravel().tolist() == values.tolist()
    assert image.array.dtype == (np.float64 if bits > 24 else np.float32)


def test_unknown_syntax_is_refused_by_name(tmp_path):
    dataset = to_datasets(IMAGE)[0]
    dataset.PixelData = encapsulate([b"\0" * 100])
    dataset["PixelData"].VR = "OB"
    path = written(tmp_path, dataset, MPEG2MPML)
    with pytest.raises(UnsupportedError, match=r"TransferSyntaxUID: is MPEG2 Main Profile / Main Level \(1\.2\.840"):
        read_series(path)


def test_private_syntax_is_refused_by_its_uid(tmp_path):
    path = written(tmp_path, to_datasets(IMAGE)[0], ExplicitVRLittleEndian)
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = UID("1.2.3.4")
    with pytest.raises(UnsupportedError, match=r"TransferSyntaxUID: is an unknown one \(1\.2\.3\.4\)"):
        from_datasets([dataset])


@pytest.mark.parametrize("keep", [0.2, 0.6, 0.9])
@pytest.mark.parametrize("syntax", [None, *ENCODERS], ids=lambda uid: uid.keyword if uid else "native")
def test_truncated_pixels_are_refused(syntax, keep, tmp_path):
    dataset = to_datasets(IMAGE)[0]
    if syntax:
        encoded = ENCODERS[syntax](STORED)
        dataset.PixelData = encapsulate([encoded[: int(keep * len(encoded))]])
        dataset["PixelData"].VR = "OB"
    path = written(tmp_path, dataset, syntax or ExplicitVRLittleEndian)
    if not syntax:
        path.write_bytes(path.read_bytes()[: -int((1 - keep) * 37 * 41 * 2)])
    with pytest.raises(InvalidInputError) as caught:
        read_series(path)
    assert str(caught.value).startswith(f"{path}: PixelData: ")
    assert "\n" not in str(caught.value)


def test_bombs_are_refused_before_memory_is_taken(tmp_path):
    dataset = to_datasets(IMAGE)[0]
    dataset.Rows = dataset.Columns = 65535
    path = written(tmp_path, dataset, ExplicitVRLittleEndian)
    with pytest.raises(InvalidInputError, match="65535 x 65535 values of 2 bytes need 8589672450"):
        read_series(path)
    dataset.PixelData = encapsulate([ENCODERS[JPEG2000Lossless](STORED)])
    dataset["PixelData"].VR = "OB"
    with pytest.raises(InvalidInputError, match="too large"):
        read_series(written(tmp_path, dataset, JPEG2000Lossless))


def test_pixels_stay_in_the_file_until_they_are_read(tmp_path):
    """What is held while a folder is sorted is headers, not pixels."""
    from pellucid.dicom.read import dataset_of

    path = written(tmp_path, to_datasets(make_image("ct_hu", (1, 200, 200)))[0], ExplicitVRLittleEndian)
    assert dataset_of(path)._dict[0x7FE00010].value is None  # get_item would fetch it
    assert len(dcmread(path).PixelData) == 80000
