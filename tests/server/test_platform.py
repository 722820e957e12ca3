"""Keeping signals and images from Python, as the demonstration does."""

from dataclasses import replace
from typing import Annotated

import numpy as np
import pytest
from tests.archive.samples import dicom, uid

from pellucid.archive import Query
from pellucid.errors import InvalidInputError
from pellucid.image import Image, axial_affine
from pellucid.modality import Method, reconstruct
from pellucid.parameters import About
from pellucid.server import Platform, Settings
from pellucid.server.platform import described
from pellucid.server.signal_pictures import signal_png


@pytest.fixture
def platform(tmp_path):
    opened = Platform.open(Settings(data=tmp_path / "data"))
    yield opened
    opened.close()


def test_a_signal_and_its_image(platform, raw):
    acquisition_id = platform.add_acquisition(raw)
    series = platform.add_image(reconstruct(raw), acquisition_id=acquisition_id)
    source = platform.archive.source_of(series)
    assert (source.acquisition_id, source.method) == (acquisition_id, "fft")
    again = platform.acquisition(acquisition_id)
    np.testing.assert_array_equal(again.samples, raw.samples)
    assert again.study == raw.study
    (match,) = platform.archive.find(Query("series"))
    assert match.series_instance_uid == series
    assert match.study_instance_uid == raw.study.study_instance_uid


def test_series_numbers_go_up(platform, raw):
    image = reconstruct(raw)
    with platform.deposit() as deposit:
        deposit.add_image(image)
        deposit.add_image(image)
    platform.add_image(image)
    assert [m.attributes["00200011"]["Value"] for m in platform.archive.find(Query("series"))] == [[1], [2], [3]]


def test_a_deposit_is_all_or_nothing(platform, raw):
    def half_done():
        with platform.deposit() as deposit:
            acquisition_id = deposit.add_acquisition(raw)
            deposit.add_image(reconstruct(raw), acquisition_id=acquisition_id)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_done()
    assert list(platform.archive.objects.names()) == []
    assert platform.archive.acquisitions() == []
    assert [p.name for p in platform.archive.incoming.iterdir()] == ["lock"]


def test_an_image_that_dicom_cannot_hold(platform):
    image = Image(array=np.full((2, 3, 4), np.nan), affine=axial_affine((2, 3, 4), (1, 1, 1)), quantity="ct_number")
    with pytest.raises(InvalidInputError):
        platform.add_image(image)
    assert list(platform.archive.objects.names()) == []


def test_importing_a_folder(platform, tmp_path):
    folder = tmp_path / "cd"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "1").write_bytes(dicom(1, 1, 1))
    (folder / "2.dcm").write_bytes(dicom(1, 1, 2))
    (folder / "README").write_text("hello")
    assert platform.import_dicom(folder) == 2
    assert platform.import_dicom(folder) == 2
    assert len(platform.archive.find(Query("instance"))) == 2
    (folder / "3.dcm").write_bytes(dicom(1, 1, 3)[:600])
    (folder / "0.dcm").write_bytes(dicom(1, 1, 4))
    with pytest.raises(InvalidInputError, match=r"3\.dcm: ends at byte 600"):
        platform.import_dicom(folder)
    assert len(platform.archive.instances(uid(1))) == 2
    with pytest.raises(InvalidInputError, match="is not a folder"):
        platform.import_dicom(folder / "README")


def test_a_data_folder_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInputError, match="cannot be used as the data folder"):
        Platform.open(Settings(data=tmp_path / "file"))


def sense(
    raw,
    *,
    progress,
    iterations: Annotated[int, About("Iterations")] = 10,
    regularisation: Annotated[float, About("Weight")] = 0.01,
    start: Annotated[str, About("Start")] = "",
):
    """A method to be described."""


@pytest.mark.parametrize(
    ("description", "values", "text"),
    [
        ("T1 head", {}, "T1 head sense"),
        ("", {"iterations": 5}, "sense (iterations=5)"),
        ("T1 head", {"iterations": 10, "regularisation": 0.002}, "T1 head sense (regularisation=0.002)"),
        ("T" * 80, {"iterations": 5}, "T" * 42 + "… sense (iterations=5)"),
        ("T1 head", {"start": "x" * 80}, "sense (start=" + "x" * 50 + "…"),
        ("T1 head", {"start": "x" * 47}, "T… sense (start=" + "x" * 47 + ")"),
    ],
)
def test_descriptions_fit_into_dicom(raw, description, values, text):
    image = Image(array=np.ones((1, 1, 1)), affine=axial_affine((1, 1, 1), (1, 1, 1)), quantity="mr_signal")
    method = Method("sense", "SENSE", sense)
    got = described(image, replace(raw, description=description), method, values).description
    assert got == text
    assert len(got) <= 64


def test_signal_pictures():
    """A bright line one sample wide stays visible in a signal of 3001 samples; NaN and constants do no harm."""
    import io

    from PIL import Image as Picture

    signal = np.zeros((3001, 50), np.float32)
    signal[:, 20] = 1.0
    got = np.asarray(Picture.open(io.BytesIO(signal_png(signal))))
    assert max(got.shape) <= 1024
    assert (got[:, 20] == 255).all()
    assert got[:, 21].max() == 0
    for odd in (np.full((4, 4), 7.0), np.full((4, 4), np.nan), np.zeros((1, 1))):
        assert np.asarray(Picture.open(io.BytesIO(signal_png(odd)))).shape == odd.shape
