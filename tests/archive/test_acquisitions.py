"""Raw signals: files with a label, linked to the series made from them."""

import pytest
from sqlalchemy.exc import IntegrityError
from tests.archive.samples import dicom, uid

from pellucid.archive import AcquisitionLabel, Query

LABEL = AcquisitionLabel(modality="mr", description="T1", patient_name="Doe^Jane", study_instance_uid=uid(1))


@pytest.fixture
def raw(tmp_path):
    file = tmp_path / "raw.pellucid.h5"
    file.write_bytes(b"\x89HDF signal")
    return file


def test_a_signal_and_its_series(archive, raw):
    with archive.batch() as batch:
        acquisition_id = batch.add_acquisition(raw, LABEL)
        batch.store(dicom())
        batch.link(uid(1, 1), acquisition_id, "sense", {"iterations": 7, "weight": 0.5})
    (record,) = archive.acquisitions()
    assert record.id == acquisition_id
    assert (record.modality, record.description, record.patient_name) == ("mr", "T1", "Doe^Jane")
    assert record.series_instance_uids == (uid(1, 1),)
    assert archive.acquisition(acquisition_id) == record
    assert archive.acquisition_file(acquisition_id).read_bytes() == raw.read_bytes()
    source = archive.source_of(uid(1, 1))
    assert (source.acquisition_id, source.method) == (acquisition_id, "sense")
    assert source.parameters == {"iterations": 7, "weight": 0.5}


def test_unknown_ones_are_none(archive):
    assert archive.acquisition("0" * 32) is None
    assert archive.acquisition_file("0" * 32) is None
    assert archive.source_of("1.2.3") is None
    assert not archive.delete_acquisition("0" * 32)


def add_and_fail(archive, raw):
    with archive.batch() as batch:
        batch.add_acquisition(raw, LABEL)
        raise RuntimeError


def link_to_nothing(archive, raw):
    with archive.batch() as batch:
        batch.add_acquisition(raw, LABEL)
        batch.link("1.2.3.4", "no such acquisition", "m", {})


@pytest.mark.parametrize(("work", "error"), [(add_and_fail, RuntimeError), (link_to_nothing, IntegrityError)])
def test_failure_leaves_neither_file_nor_row(archive, raw, work, error):
    with pytest.raises(error):
        work(archive, raw)
    assert archive.acquisitions() == []
    assert list(archive.objects.names()) == []


def test_deleting_a_signal_keeps_its_images(archive, raw):
    with archive.batch() as batch:
        first = batch.add_acquisition(raw, LABEL)
        second = batch.add_acquisition(raw, LABEL)
        batch.store(dicom())
        batch.link(uid(1, 1), first, "m", {})
    assert archive.delete_acquisition(first)
    assert archive.source_of(uid(1, 1)) is None
    assert len(archive.find(Query("instance"))) == 1
    assert archive.acquisition_file(second).read_bytes() == raw.read_bytes()
    archive.delete_acquisition(second)
    assert len(list(archive.objects.names())) == 1


def test_deleting_a_series_keeps_its_signal(archive, raw):
    with archive.batch() as batch:
        acquisition_id = batch.add_acquisition(raw, LABEL)
        batch.store(dicom())
        batch.link(uid(1, 1), acquisition_id, "m", {})
    archive.delete(uid(1))
    assert archive.acquisition(acquisition_id).series_instance_uids == ()
    assert archive.source_of(uid(1, 1)) is None
