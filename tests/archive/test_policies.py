"""Objects that contradict what is stored, quotas, retention, and what studies take."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from tests.archive.samples import dicom, uid

from pellucid.archive import Archive, FailureReason, Policies, Query, Sender, StoreRefusedError, Visible
from pellucid.archive.corrections import Corrections
from pellucid.archive.policy_tables import InstanceVersionRow, StudyUseRow
from pellucid.archive.retention import Retention, Rule
from pellucid.archive.schema import StudyRow
from pellucid.errors import InvalidInputError


@pytest.fixture
def opened(tmp_path):
    """Call with policies: an archive that has them."""
    archives = []

    def make(**policies):
        archives.append(Archive(tmp_path, policies=Policies(**policies)))
        return archives[-1]

    yield make
    for archive in archives:
        archive.close()


def store(archive, data, title="", **visible):
    with archive.batch(Sender(title=title, **visible)) as batch:
        return batch.store(data)


def content(archive):
    return [archive.fetch(record) for record in archive.instances(uid(1))]


def test_the_first_is_kept(opened):
    archive = opened(duplicates="keep")
    archive.store(dicom())
    assert not archive.store(dicom(PatientComments="other")).new
    assert content(archive) == [dicom()]
    assert len(list(archive.objects.names())) == 1


def test_another_takes_its_place_and_the_first_stays_as_a_version(opened):
    archive = opened(duplicates="replace")
    archive.store(dicom())
    assert archive.store(dicom(PatientComments="other", SeriesDescription="x")).new
    assert content(archive) == [dicom(PatientComments="other", SeriesDescription="x")]
    assert '"other"' in archive.attributes(uid(1))[0]
    with archive.reading() as session:
        (version,) = session.scalars(select(InstanceVersionRow))
    assert archive.objects.get(version.object_sha256) == dicom()
    assert list(archive.verify()) == []
    with pytest.raises(StoreRefusedError, match="another object"):  # not across series
        archive.store(dicom(SeriesInstanceUID=uid(1, 9)))


def test_policies_by_source(opened):
    archive = opened(duplicates="refuse", duplicates_by_source={"CT1": "replace", "ann": "keep"})
    archive.store(dicom())
    with pytest.raises(StoreRefusedError):
        store(archive, dicom(PatientComments="a"), "CT2")
    assert not store(archive, dicom(PatientComments="a"), "ann").new
    assert store(archive, dicom(PatientComments="a"), "CT1").new


def test_a_replaced_instance_of_a_corrected_study_is_corrected(opened):
    archive = opened(duplicates="replace")
    corrections = Corrections(archive)
    archive.store(dicom())
    corrections.correct(uid(1), {"PatientID": "P9"}, reason="r", made_by="ann")
    archive.store(dicom(PatientComments="other"))
    assert b"P9" in content(archive)[0]
    corrections.undo(1)
    assert content(archive) == [dicom(PatientComments="other")]
    assert list(archive.verify()) == []


def test_conflicts_go_into_quarantine_and_out(opened):
    archive = opened(quarantine=True, other_patients="refuse")
    archive.store(dicom())
    for data, message in (
        (dicom(PatientComments="other"), "another object"),
        (dicom(study=2, SeriesInstanceUID=uid(1, 1)), "belongs to study"),
        (dicom(instance=2, PatientID="P2"), "its study is of another patient"),
        (dicom(instance=2, PatientID="P2"), "its study is of another patient"),
    ):
        with pytest.raises(StoreRefusedError, match=message):
            store(archive, data, "CT1")
    with pytest.raises(StoreRefusedError):
        archive.store(b"broken")
    assert content(archive) == [dicom()]
    first, second, third = archive.quarantine.listing()
    assert {one.source for one in (first, second, third)} == {"CT1"}
    held = {one.reason.partition(":")[0]: one.id for one in (first, second, third)}
    with pytest.raises(StoreRefusedError):
        archive.quarantine.release(held["StudyInstanceUID"], "as-is")
    made = archive.quarantine.release(held["StudyInstanceUID"], "new-uids")
    assert made.series_instance_uid != uid(1, 1)
    assert b"COERCE" in archive.fetch(archive.instances(uid(2))[0])
    archive.quarantine.release(held["SOPInstanceUID"], "replace")
    assert content(archive) == [dicom(PatientComments="other")]
    archive.quarantine.release(held["PatientID"][:8], "as-is")
    assert len(content(archive)) == 2
    assert archive.quarantine.listing() == []
    assert list(archive.verify()) == []


def test_dropped_from_quarantine(opened):
    archive = opened(quarantine=True)
    archive.store(dicom())
    with pytest.raises(StoreRefusedError):
        archive.store(dicom(PatientComments="other"))
    (held,) = archive.quarantine.listing()
    assert archive.quarantine.read(held.id) == dicom(PatientComments="other")
    archive.quarantine.drop(held.id)
    assert len(list(archive.objects.names())) == 1
    with pytest.raises(InvalidInputError, match="no single"):
        archive.quarantine.drop(held.id)


def test_quotas(opened):
    size = len(dicom())
    archive = opened(quota_bytes=3 * size + 50, quota_by_project={"trial": size + 50})
    mine = Visible(projects=frozenset({"trial"}))
    store(archive, dicom(study=1), "CT1", visible=mine)
    with pytest.raises(StoreRefusedError, match="quota of project trial") as refused:
        store(archive, dicom(study=1, instance=2), "CT1", visible=mine)
    assert refused.value.reason == FailureReason.OUT_OF_RESOURCES
    archive.store(dicom(study=2))
    archive.store(dicom(study=3))
    with pytest.raises(StoreRefusedError, match="quota of the archive"):
        archive.store(dicom(study=4))
    archive.delete(uid(3))
    archive.quota._looked = float("-inf")
    archive.store(dicom(study=4))


def used(archive):
    with archive.reading() as session:
        rows = session.execute(select(StudyUseRow.study_instance_uid, StudyUseRow.stored_bytes, StudyUseRow.last_read))
        return {row[0]: (row[1], row[2]) for row in rows}


def test_what_studies_take_and_when_they_were_read(opened):
    archive = opened()
    archive.store(dicom(instance=1))
    archive.store(dicom(instance=2))
    archive.store(dicom(study=2))
    assert used(archive) == {uid(1): (len(dicom()) * 2, ""), uid(2): (len(dicom(study=2)), "")}
    archive.seen_by(archive.visible).instances(uid(1))
    archive.reads.write_down()
    assert used(archive)[uid(1)][1] == datetime.now(UTC).date().isoformat()
    assert used(archive)[uid(2)][1] == ""
    archive.delete(uid(1), uid(1, 1), uid(1, 1, 1))
    archive.delete(uid(2))
    assert used(archive).keys() == {uid(1)}
    assert used(archive)[uid(1)][0] == len(dicom())


def days_ago(days):
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y%m%d")


def test_retention(opened):
    archive = opened()
    retention = Retention(archive)
    for study, (age, modality) in enumerate([(4000, "CT"), (4000, "MR"), (10, "CT"), (4000, "CT"), (5000, "CT")], 1):
        archive.store(dicom(study=study, StudyDate=days_ago(age), Modality=modality))
    retention.set_rule(Rule(name="ten years", action="delete", match={"older_than_days": "3650"}))
    retention.set_rule(Rule(name="mr", action="keep", match={"modality": "MR"}))
    retention.hold(uid(4), reason="court", made_by="ann")
    assert [(due.study_instance_uid, due.rule) for due in retention.due()] == [
        (uid(5), "ten years"),
        (uid(1), "ten years"),
    ]
    assert len(archive.find(Query("study"))) == 5
    assert len(retention.run()) == 2
    assert {m.study_instance_uid for m in archive.find(Query("study"))} == {uid(2), uid(3), uid(4)}
    assert retention.unhold(uid(4))
    assert not retention.unhold(uid(4))
    assert [due.study_instance_uid for due in retention.due()] == [uid(4)]
    assert retention.remove_rule("ten years")
    assert retention.due() == []


def test_retention_by_last_read_and_project(opened):
    archive = opened()
    retention = Retention(archive)
    store(archive, dicom(study=1), "a", visible=Visible(projects=frozenset({"trial"})))
    archive.store(dicom(study=2))
    long_ago = (datetime.now(UTC) - timedelta(days=500)).isoformat(timespec="seconds")
    with archive.writing() as session:
        session.execute(update(StudyRow).values(received=long_ago))
    retention.set_rule(Rule(name="unread", action="delete", match={"unread_for_days": "365"}))
    assert len(retention.due()) == 2
    archive.instances(uid(2))
    archive.reads.write_down()
    assert [due.study_instance_uid for due in retention.due()] == [uid(1)]
    retention.set_rule(Rule(name="trial", action="keep", match={"project": "trial"}))
    assert retention.due() == []


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"action": "delete", "match": {}}, "without regard to age"),
        ({"action": "delete", "match": {"modality": "CT"}}, "without regard to age"),
        ({"action": "burn", "match": {}}, "expected delete or keep"),
        ({"action": "keep", "match": {"colour": "red"}}, "expected one of"),
        ({"action": "delete", "match": {"older_than_days": "-3"}}, "expected a number of days"),
    ],
)
def test_rules_that_are_none(rule, message):
    with pytest.raises(InvalidInputError, match=message):
        Rule(name="x", **rule)
