"""PostgreSQL does what SQLite does; one that is gone is said to be, loses nothing, and is used when it is back."""

import gc
import threading
import time

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect
from tests.archive import test_storing as storing
from tests.archive.samples import dicom, uid
from tests.archive.test_corrections import (  # noqa: F401 (they run here with this module's archive)
    corrections,
    test_a_corrected_study_is_found_and_given_so,
    test_deleting_takes_versions_along,
    test_patients_are_merged_and_parted,
    test_undone_all_is_as_received,
)
from tests.archive.test_query import (  # noqa: F401
    PEOPLE,
    test_counts_and_order,
    test_fuzzy_matching_by_beginnings_of_words,
    test_limit_and_offset,
    test_series_and_instance_levels,
    test_study_matching,
)

from pellucid import archive as package
from pellucid.access import tables as _access_tables  # noqa: F401 (tables that a door keeps for itself)
from pellucid.archive import Archive, ArchiveUnavailableError, Places, Query
from pellucid.archive.database import Database
from pellucid.archive.schema import Base
from pellucid.dicomweb import tables as _dicomweb_tables  # noqa: F401
from pellucid.dimse import tables as _dimse_tables  # noqa: F401
from pellucid.errors import InvalidInputError

STORING = [
    storing.test_what_is_stored_comes_back_byte_for_byte,
    storing.test_storing_again_changes_nothing,
    storing.test_file_meta_of_another_sender_does_not_make_another_object,
    storing.test_other_content_under_the_same_uid_is_refused,
    storing.test_a_series_belongs_to_one_study,
    storing.test_a_batch_is_all_or_nothing,
    storing.test_giving_up_keeps_what_others_store,
    storing.test_two_batches_with_the_same_instance,
    storing.test_delete_takes_what_becomes_empty,
]


@pytest.fixture
def database(new_database):
    return new_database()


@pytest.fixture
def archive(tmp_path, database):
    with Archive(tmp_path, places=Places(database=database)) as opened:
        yield opened


@pytest.fixture(scope="module")
def four(new_database, tmp_path_factory):
    """As in `test_query`."""
    with Archive(tmp_path_factory.mktemp("four"), places=Places(database=new_database())) as opened:
        with opened.batch() as batch:
            for study, person in PEOPLE.items():
                batch.store(dicom(study=study, **person))
            batch.store(dicom(study=1, series=2, Modality="PT", SeriesDescription="Late", BodyPartExamined="HEAD"))
            batch.store(dicom(study=1, series=2, instance=2, Modality="PT", SeriesDescription="Late"))
        yield opened


@pytest.mark.parametrize("test", STORING, ids=lambda test: test.__name__)
def test_storing(archive, test):
    test(archive)


def test_migrations_make_the_schema_and_take_it_away(database):
    opened = Database(database)
    with opened.engine.connect() as connection:
        differing = compare_metadata(MigrationContext.configure(connection), Base.metadata)
        # Alembic sees no `ddl_if`: these two are for SQLite alone.
        only = {"ix_studies_search", "ix_series_search"} if opened.is_postgresql else set()
        assert {(what, index.name) for what, index in differing} == {("add_index", name) for name in only}
    config = Config()
    config.set_main_option("script_location", f"{package.__path__[0]}/migrations")
    config.attributes["engine"] = opened.engine
    command.downgrade(config, "base")
    assert inspect(opened.engine).get_table_names() == ["alembic_version"]
    opened.close()


def test_what_one_database_takes_the_other_takes(archive):
    """Numbers beyond 32 bits, NUL characters, and values that are no number where one should be."""
    archive.store(dicom(instance=1, InstanceNumber=99999999999, StationName="A\0B", PatientComments="x\0y"))
    archive.store(dicom(instance=2, StudyDescription="Chest"))
    assert len(archive.find(Query("instance"))) == 2
    assert len(archive.find(Query("instance", {"InstanceNumber": "99999999999"}))) == 0
    assert len(archive.find(Query("instance", {"PhotometricInterpretation": "MONO*"}))) == 2
    assert archive.find(Query("study", {"PatientComments": "none"})) == []


def test_a_database_that_sorts_otherwise_is_refused(cluster, tmp_path):
    odd = cluster.new_database("--template=template0", "--encoding=LATIN1", "--locale=C")
    with pytest.raises(InvalidInputError, match="expected C in UTF8: createdb"):
        Archive(tmp_path, places=Places(database=odd))


@pytest.mark.parametrize("url", ["nonsense", "mysql://somewhere/x", "sqlite:///x"])
def test_another_kind_of_database_is_refused(tmp_path, url):
    with pytest.raises(InvalidInputError, match="expected postgresql"):
        Archive(tmp_path, places=Places(database=url))


def test_two_processes_worth_of_archives_share_a_database(database, tmp_path):
    with (
        Archive(tmp_path, places=Places(database=database)) as first,
        Archive(tmp_path, places=Places(database=database)) as second,
    ):
        threads = [
            threading.Thread(target=lambda a=a, n=n: [a.store(dicom(instance=n + i)) for i in range(10)])
            for a, n in ((first, 1), (second, 5))  # five instances come from both
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(first.find(Query("instance"))) == 14


# pg8000 leaves the sockets of broken connections to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_database_gone_and_back_loses_nothing_acknowledged(archive, cluster):
    acknowledged, refused, stop = [], [], threading.Event()

    def send(first):
        for instance in range(first, 100_000, 2):
            if stop.is_set():
                return
            try:
                archive.store(dicom(instance=instance))
                acknowledged.append(uid(1, 1, instance))
            except ArchiveUnavailableError:
                refused.append(instance)
                time.sleep(0.02)

    senders = [threading.Thread(target=send, args=(first,)) for first in (1, 2)]
    for sender in senders:
        sender.start()
    for _ in range(2):
        time.sleep(0.3)
        cluster.stop()
        with pytest.raises(ArchiveUnavailableError, match="database cannot be reached; try again later"):
            archive.find(Query("study"))
        cluster.start()
        time.sleep(0.3)
    stop.set()
    for sender in senders:
        sender.join()
    assert refused
    found = {match.sop_instance_uid for match in archive.find(Query("instance"))}
    assert set(acknowledged) <= found
    assert acknowledged  # how many is a matter of the machine
    archive.store(dicom(study=2))
    assert list(archive.verify()) == []
    gc.collect()


def test_a_database_that_is_not_there(tmp_path):
    with pytest.raises(ArchiveUnavailableError, match="database cannot be reached"):
        Archive(tmp_path, places=Places(database="postgresql://pellucid@127.0.0.1:1/none"))
