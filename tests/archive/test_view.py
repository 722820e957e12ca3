"""A caller sees what is visible to them, and nothing else, through every way of reading."""

import pytest
from sqlalchemy import select
from tests.archive.samples import dicom, uid

from pellucid.archive import NOTHING, AcquisitionLabel, Query, Visible
from pellucid.archive.schema import StudyProjectRow, StudyRow

LABEL = AcquisitionLabel(modality="mr", description="T1", patient_name="Doe^Jane", study_instance_uid=uid(2))


@pytest.fixture
def filled(archive, tmp_path):
    """Studies 1, 2 and 3; study 2 in project "trial" and with a raw signal."""
    file = tmp_path / "raw.h5"
    file.write_bytes(b"\x89HDF signal")
    for study in (1, 2, 3):
        archive.store(dicom(study))
    with archive.batch() as batch:
        acquisition = batch.add_acquisition(file, LABEL)
        batch.link(uid(2, 1), acquisition, "sense", {})
    with archive.writing() as session:
        session.add(StudyProjectRow(study_instance_uid=uid(2), project="trial"))
    return archive


@pytest.mark.parametrize(
    ("visible", "seen"),
    [
        (Visible(everything=True), {1, 2, 3}),
        (Visible(studies=frozenset({uid(1)})), {1}),
        (Visible(projects=frozenset({"trial"})), {2}),
        (Visible(projects=frozenset({"trial"}), studies=frozenset({uid(3)})), {2, 3}),
        (Visible(projects=frozenset({"other"})), set()),
        (NOTHING, set()),
    ],
)
def test_only_what_is_visible_is_read(filled, visible, seen):
    view = filled.seen_by(visible)
    for level in ("study", "series", "instance"):
        assert {m.study_instance_uid for m in view.find(Query(level))} == {uid(s) for s in seen}
    for study in (1, 2, 3):
        count = int(study in seen)
        assert len(view.instances(uid(study))) == count
        assert len(view.attributes(uid(study), uid(study, 1), uid(study, 1, 1))) == count
    (record,) = filled.acquisitions()
    assert len(view.acquisitions()) == (2 in seen)
    assert (view.acquisition(record.id) is not None) == (2 in seen)
    assert (view.acquisition_file(record.id) is not None) == (2 in seen)
    assert (view.source_of(uid(2, 1)) is not None) == (2 in seen)


def test_a_deleted_study_leaves_its_project(filled):
    filled.delete(uid(2))
    with filled.reading() as session:
        assert session.scalars(select(StudyProjectRow)).all() == []
    filled.store(dicom(2))
    assert filled.seen_by(Visible(projects=frozenset({"trial"}))).find(Query("study")) == []


def test_listeners_write_in_the_transaction_of_the_instances(archive):
    def assign(session, stored):
        session.add_all(StudyProjectRow(study_instance_uid=s.study_instance_uid, project="all") for s in stored)

    archive.on_store.append(assign)
    archive.store(dicom())
    archive.store(dicom())  # nothing new: not told
    with archive.reading() as session:
        assert session.scalars(select(StudyProjectRow.project)).all() == ["all"]


def test_a_listener_that_fails_keeps_the_instances_out(archive):
    def fail(session, stored):
        raise RuntimeError("no room in the queue")

    archive.on_store.append(fail)
    with pytest.raises(RuntimeError, match="no room"):
        archive.store(dicom())
    with archive.reading() as session:
        assert session.scalars(select(StudyRow)).all() == []
    assert list(archive.objects.names()) == []
