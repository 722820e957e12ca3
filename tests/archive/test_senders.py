"""Who stores objects adds to no study of others, and what they bring is theirs to see."""

import pytest
from tests.archive.samples import dicom, uid

from pellucid.archive import EVERYTHING, FailureReason, Query, Sender, StoreRefusedError, Visible


def of(project):
    return Sender(title=project.upper(), visible=Visible(projects=frozenset({project})))


def store(archive, sender, **values):
    with archive.batch(sender) as batch:
        return batch.store(dicom(**values))


def test_new_studies_join_the_senders_projects(archive):
    stored = store(archive, of("trial"))
    assert stored.source == "TRIAL"
    assert archive.seen_by(Visible(projects=frozenset({"trial"}))).find(Query("study"))
    assert not archive.seen_by(Visible(projects=frozenset({"other"}))).find(Query("study"))


def test_studies_of_others_are_not_added_to(archive):
    store(archive, of("trial"))
    with pytest.raises(StoreRefusedError, match="belongs to others") as refused:
        store(archive, of("other"), instance=2)
    assert refused.value.reason == FailureReason.NOT_AUTHORIZED
    assert len(archive.find(Query("instance"))) == 1
    store(archive, of("trial"), instance=2)
    store(archive, Sender(visible=EVERYTHING), instance=3)
    assert len(archive.find(Query("instance"))) == 3


def test_a_study_that_came_to_be_meanwhile_is_not_taken_over(archive):
    batch = archive.batch(of("other"))
    batch.store(dicom(instance=2))
    store(archive, of("trial"))
    with pytest.raises(StoreRefusedError, match="belongs to others"):
        batch.commit()
    assert [m.sop_instance_uid for m in archive.find(Query("instance"))] == [uid(1, 1, 1)]


def test_a_known_study_does_not_join_other_projects(archive):
    store(archive, Sender(visible=EVERYTHING))
    study = archive.find(Query("study"))[0].study_instance_uid
    both = Sender(visible=Visible(projects=frozenset({"trial"}), studies=frozenset({study})))
    store(archive, both, instance=2)
    assert not archive.seen_by(Visible(projects=frozenset({"trial"}))).find(Query("study"))
