"""DICOM associations are held to the same accounts, projects and audit trail as the web."""

import warnings

import pytest
from pydicom.dataset import Dataset
from tests.archive.samples import dataset, dicom, uid
from tests.server.people import PASSWORD, add

from pellucid.access.projects import ProjectRule
from pellucid.access.trail import AuditSearch
from pellucid.server import Settings
from pellucid.server.dimse import dimse
from pellucid.server.platform import Platform

FIND = "1.2.840.10008.5.1.4.1.2.2.1"


@pytest.fixture(params=[0, pytest.param(1, marks=pytest.mark.slow)], ids=["threads", "a process"])
def served(tmp_path, request):
    settings = Settings(data=tmp_path / "data", dimse_port=0, dimse_processes=request.param)
    platform = Platform.open(settings)
    platform.archive.store(dicom())
    platform.keeper.projects.put(uid(1), ["theirs"])
    platform.keeper.projects.add_rule(ProjectRule(name="r", match={"SourceAE": "CT9"}, project="from ct9"))
    add(platform, "ann", "technologist", projects=["theirs"])
    add(platform, "eve", "technologist", projects=["others"])
    with dimse(settings, platform, "http://127.0.0.1:1") as where:
        yield platform, int(where.rpartition(":")[2])
    platform.close()


def associate(port, name=None, password=""):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pynetdicom import AE
        from pynetdicom.pdu_primitives import UserIdentityNegotiation
    entity = AE(ae_title="CT9")
    entity.add_requested_context(FIND)
    entity.add_requested_context(dataset().SOPClassUID)
    items = []
    if name is not None:
        item = UserIdentityNegotiation()
        item.user_identity_type = 2
        item.primary_field, item.secondary_field = name.encode(), password.encode()
        items = [item]
    return entity.associate("127.0.0.1", port, ae_title="PELLUCID", ext_neg=items)


def studies(association):
    keys = Dataset()
    keys.QueryRetrieveLevel, keys.StudyInstanceUID, keys.PatientID = "STUDY", "", ""
    found = [data.StudyInstanceUID for _, data in association.send_c_find(keys, FIND) if data is not None]
    association.release()
    return found


def test_people_see_their_projects(served):
    platform, port = served
    assert studies(associate(port, "ann", PASSWORD)) == [uid(1)]
    assert studies(associate(port, "eve", PASSWORD)) == []
    (newest, older, *_) = platform.keeper.trail.search(AuditSearch(event="Query"))
    assert [newest.caller, older.caller] == ["eve@CT9", "ann@CT9"]


def test_wrong_passwords_are_rejected(served):
    platform, port = served
    assert associate(port, "ann", "wrong password!").is_rejected
    assert associate(port, "nobody", PASSWORD).is_rejected
    assert len(platform.keeper.trail.search(AuditSearch(event="Security Alert", failures_only=True))) == 2


def test_what_is_stored_joins_projects(served):
    platform, port = served
    association = associate(port, "eve", PASSWORD)
    made = dataset(study=2)
    made.file_meta = Dataset()
    made.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    assert association.send_c_store(made).Status == 0
    theirs = dataset(instance=2)
    theirs.file_meta = made.file_meta
    assert association.send_c_store(theirs).Status == 0x0124
    association.release()
    assert platform.keeper.projects.of(uid(2)) == ["from ct9", "others"]
    (stored, *_) = platform.keeper.trail.search(AuditSearch(subject=uid(2)))
    assert (stored.event, stored.action, stored.caller) == ("DICOM Instances Transferred", "C", "eve@CT9")
