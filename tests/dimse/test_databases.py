"""DIMSE with its index in PostgreSQL; without a database it answers A700, and goes on when it is back."""

import pytest
from pydicom.uid import ExplicitVRLittleEndian
from tests.archive.samples import CT_STORAGE, dataset, uid
from tests.dimse.test_finding import STUDY_ROOT, filled, find, identifier, test_studies  # noqa: F401 (run here)
from tests.dimse.test_routing import (  # noqa: F401
    receiver,
    routed,
    test_a_refused_instance_leaves_nothing_in_the_queue,
    test_a_rule_that_is_off_does_nothing,
    test_what_matches_goes_to_an_application,
)
from tests.dimse.test_storing import sent

from pellucid.archive import Archive, Places


@pytest.fixture
def archive(tmp_path, new_database):
    with Archive(tmp_path, places=Places(database=new_database())) as opened:
        yield opened


def test_without_a_database_nothing_is_acknowledged(archive, associate, cluster):
    association = associate((CT_STORAGE, ExplicitVRLittleEndian), (STUDY_ROOT, ExplicitVRLittleEndian))
    assert sent(association, dataset(instance=1)).Status == 0
    cluster.stop()
    try:
        answer = sent(association, dataset(instance=2))
        assert answer.Status == 0xA700
        assert answer.ErrorComment == "the archive's database cannot be reached; try again later"
        (status, _), *_ = association.send_c_find(identifier("STUDY", StudyInstanceUID=""), STUDY_ROOT)
        assert status.Status == 0xA700
    finally:
        cluster.start()
    assert sent(association, dataset(instance=2)).Status == 0
    assert len(archive.instances(uid(1))) == 2
