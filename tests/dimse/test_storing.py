"""C-ECHO and C-STORE as a provider, seen by pynetdicom and DCMTK."""

import io
import socket

import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless
from tests.archive.samples import CT_STORAGE, coded, dataset, file_bytes, uid
from tests.dimse.conftest import listening
from tests.dimse.test_bad_partners import REJECT, association_request

from pellucid.access import Permission
from pellucid.cli.app import run as pellucid
from pellucid.codecs import named, transcode
from pellucid.dimse.limits import NetworkLimits
from pellucid.dimse.partners import ApplicationEntity, Partners

VERIFICATION = "1.2.840.10008.1.1"
PRIVATE = "1.3.46.670589.11.0.0.12.1"


def sent(association, made, syntax=ExplicitVRLittleEndian):
    made = pydicom.dcmread(io.BytesIO(file_bytes(made, syntax)))
    return association.send_c_store(made)


def rejected(port, title="TESTER"):
    """Whether an association is answered with A-ASSOCIATE-RJ, on the wire: pynetdicom may see only the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as link:
        link.sendall(association_request(title))
        return link.recv(1) == bytes([REJECT])


def test_echo(associate):
    assert associate(VERIFICATION).send_c_echo().Status == 0


def test_echo_by_dcmtk(run, listener):
    run("echoscu", "-aec", "PELLUCID", "127.0.0.1", listener.port)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_an_instance_is_stored_as_received(archive, associate, trail, syntax):
    association = associate((CT_STORAGE, syntax))
    assert sent(association, dataset(), syntax).Status == 0
    (record,) = archive.instances(uid(1))
    assert record.transfer_syntax_uid == syntax
    stored = pydicom.dcmread(io.BytesIO(archive.fetch(record)))
    assert stored.file_meta.SourceApplicationEntityTitle == "TESTER"
    assert stored.file_meta.MediaStorageSOPInstanceUID == uid(1, 1, 1)
    assert stored == pydicom.dcmread(io.BytesIO(file_bytes(dataset(), syntax)))
    assert trail.names() == ["DICOM Instances Transferred"]
    assert list(trail[0].studies) == [uid(1)]


def test_many_on_one_association_and_again(archive, associate):
    association = associate((CT_STORAGE, ExplicitVRLittleEndian))
    assert [sent(association, dataset(instance=n)).Status for n in (1, 2, 3, 1)] == [0, 0, 0, 0]
    assert len(archive.instances(uid(1))) == 3


def test_dcmtk_sends_what_it_has(run, archive, listener, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.dcm").write_bytes(file_bytes(dataset(instance=number + 1)))
    run("storescu", "-aec", "PELLUCID", "127.0.0.1", listener.port, "+sd", folder)
    assert len(archive.instances(uid(1))) == 5


@pytest.mark.parametrize(
    ("option", "name", "syntax"),
    [
        ("-xs", "JPEG-LL.dcm", "1.2.840.10008.1.2.4.70"),
        ("-xv", "MR2_J2KR.dcm", "1.2.840.10008.1.2.4.90"),
        ("-xw", "MR2_J2KI.dcm", "1.2.840.10008.1.2.4.91"),
        ("-xr", "OBXXXX1A_rle.dcm", "1.2.840.10008.1.2.5"),
        ("-xt", "emri_small_jpeg_ls_lossless.dcm", "1.2.840.10008.1.2.4.80"),
    ],
)
def test_compressed_instances_from_dcmtk(run, archive, listener, real_data, option, name, syntax):
    files = real_data("dicom/pydicom_data")
    found = next(files.rglob(name), None)
    if found is None:
        pytest.skip(f"{name} is absent")
    made = pydicom.dcmread(found)
    if made.file_meta.TransferSyntaxUID != syntax or "StudyInstanceUID" not in made:
        pytest.skip(f"{name} is {made.file_meta.TransferSyntaxUID.name}")
    run("storescu", option, "-aec", "PELLUCID", "127.0.0.1", listener.port, found)
    (record,) = archive.instances(made.StudyInstanceUID)
    assert record.transfer_syntax_uid == syntax
    assert archive.fetch(record)[-1000:] == found.read_bytes()[-1000:]


def test_a_different_object_under_a_known_uid_is_refused(archive, associate):
    association = associate((CT_STORAGE, ExplicitVRLittleEndian))
    assert sent(association, dataset()).Status == 0
    answer = sent(association, dataset(StudyDescription="other"))
    assert answer.Status == 0x0111
    assert "SOPInstanceUID" in answer.ErrorComment


def test_command_and_data_set_must_agree(archive, associate):
    association = associate((CT_STORAGE, ExplicitVRLittleEndian))
    made = pydicom.dcmread(io.BytesIO(file_bytes(dataset())))
    # Between the making of the request and of its data set, the instance becomes another one.
    original = type(association.dimse).send_msg

    def changed(request, context):
        request.AffectedSOPInstanceUID = uid(9)
        return original(association.dimse, request, context)

    association.dimse.send_msg = changed
    assert association.send_c_store(made).Status == 0xA900
    assert archive.instances(uid(1)) == []


def test_bytes_that_are_no_data_set_are_not_understood(archive, associate):
    association = associate((CT_STORAGE, ExplicitVRLittleEndian))
    made = pydicom.dcmread(io.BytesIO(file_bytes(dataset(StudyInstanceUID=None))))
    assert association.send_c_store(made).Status == 0xC000


def test_an_instance_larger_than_the_limit_is_refused_and_the_association_goes_on(archive, associate, tmp_path):
    limits = NetworkLimits(instance_bytes=100_000, memory_bytes=50_000)
    with listening(archive, limits=limits) as small:
        association = associate((CT_STORAGE, ExplicitVRLittleEndian), port=small.port)
        assert sent(association, dataset(pixels=_pixels(400))).Status == 0xA700
        assert sent(association, dataset(pixels=_pixels(180))).Status == 0  # through a file
    assert len(archive.instances(uid(1))) == 1
    assert not list(archive.incoming.glob("received-*"))


def test_a_large_instance_goes_through_a_file(archive, associate):
    with listening(archive, limits=NetworkLimits(memory_bytes=1000)) as small:
        association = associate((CT_STORAGE, ExplicitVRLittleEndian), port=small.port)
        assert sent(association, dataset(pixels=_pixels(300))).Status == 0
    (record,) = archive.instances(uid(1))
    assert pydicom.dcmread(io.BytesIO(archive.fetch(record))).Rows == 300
    assert not list(archive.incoming.glob("received-*"))


def test_private_classes_only_on_request(archive, associate):
    refused = associate((PRIVATE, ExplicitVRLittleEndian))
    assert [context.result for context in refused.rejected_contexts] == [3]
    with listening(archive, private_storage=True) as welcoming:
        association = associate((PRIVATE, ExplicitVRLittleEndian), port=welcoming.port)
        assert sent(association, dataset(SOPClassUID=PRIVATE)).Status == 0
    (record,) = archive.instances(uid(1))
    assert record.sop_class_uid == PRIVATE


@pytest.mark.parametrize(
    "syntax",
    [
        pytest.param("1.2.840.10008.1.2.4.110", id="JPEG XL Lossless"),
        pytest.param("1.2.840.10008.1.2.4.111", id="JPEG XL JPEG Recompression"),
        pytest.param("1.2.840.10008.1.2.4.112", id="JPEG XL"),
        pytest.param("1.2.840.10008.1.2.1.98", id="Encapsulated Uncompressed"),
        pytest.param("1.2.840.10008.1.2.4.53", id="a retired JPEG process"),
    ],
)
def test_coded_pixels_are_kept_in_any_transfer_syntax(archive, listener, tmp_path, syntax):
    file = tmp_path / "coded.dcm"
    file.write_bytes(coded(syntax))
    assert pellucid(["send", f"PELLUCID@127.0.0.1:{listener.port}", str(file)]) == 0
    (record,) = archive.instances(uid(1))
    assert record.transfer_syntax_uid == syntax
    assert archive.fetch(record)[-600:] == file.read_bytes()[-600:]


def test_deflated_frames_made_here_are_taken_here(archive, listener, tmp_path):
    file = tmp_path / "deflated.dcm"
    file.write_bytes(transcode(file_bytes(dataset()), named("deflated-frames")))
    assert pellucid(["send", f"PELLUCID@127.0.0.1:{listener.port}", str(file)]) == 0
    (record,) = archive.instances(uid(1))
    assert record.transfer_syntax_uid == "1.2.840.10008.1.2.8.1"


def test_private_transfer_syntaxes_only_on_request(archive, listener, associate, tmp_path):
    private = "1.2.826.0.1.3680043.10.1.1"
    file = tmp_path / "private.dcm"
    file.write_bytes(coded(private))
    assert associate((CT_STORAGE, private)).rejected_contexts[0].result == 4
    assert pellucid(["send", f"PELLUCID@127.0.0.1:{listener.port}", str(file)]) == 1
    with listening(archive, private_storage=True) as welcoming:
        assert pellucid(["send", f"PELLUCID@127.0.0.1:{welcoming.port}", str(file)]) == 0
    (record,) = archive.instances(uid(1))
    assert record.transfer_syntax_uid == private
    assert archive.fetch(record)[-600:] == file.read_bytes()[-600:]


def test_the_requestors_first_syntax_is_taken(associate):
    association = associate((CT_STORAGE, [JPEG2000Lossless, ExplicitVRLittleEndian]))
    assert association.accepted_contexts[0].transfer_syntax == [JPEG2000Lossless]
    association = associate((CT_STORAGE, [ImplicitVRLittleEndian, ExplicitVRLittleEndian]))
    assert association.accepted_contexts[0].transfer_syntax == [ExplicitVRLittleEndian]
    association = associate((CT_STORAGE, ["1.2.840.10008.1.2.4.94"]))
    assert association.rejected_contexts[0].result == 4


class TestWhoMayCall:
    def test_no_title_but_ours_is_served(self, associate):
        association = associate(VERIFICATION, called="OTHER")
        assert association.is_rejected

    def test_without_a_rule_no_one_calls_a_listener_for_all(self, archive, associate, trail):
        with listening(archive, open_to_loopback=False, audit=trail) as strict:
            assert rejected(strict.port)
            assert trail.names() == ["Security Alert"]
            Partners(archive).put(ApplicationEntity(title="TESTER", permissions=frozenset({Permission.FIND})))
            assert associate(VERIFICATION, port=strict.port).send_c_echo().Status == 0
            assert rejected(strict.port, "SOMEONE")

    def test_a_rule_says_from_where_and_for_what(self, archive, associate, trail):
        partners = Partners(archive)
        rule = ApplicationEntity(title="TESTER", permissions=frozenset({Permission.FIND}), addresses=("10.0.0.0/8",))
        partners.put(rule)
        with listening(archive, audit=trail) as own:
            assert rejected(own.port)
            partners.put(ApplicationEntity(title="TESTER", permissions=frozenset({Permission.FIND})))
            association = associate((CT_STORAGE, ExplicitVRLittleEndian), port=own.port)
            assert sent(association, dataset()).Status == 0x0124
        assert archive.instances(uid(1)) == []
        assert trail.names() == ["Security Alert", "Security Alert"]

    def test_what_a_project_brings_belongs_to_it(self, archive, associate):
        archive.store(file_bytes(dataset(study=2)))
        rule = ApplicationEntity(
            title="TESTER", permissions=frozenset({Permission.STORE}), projects=frozenset({"trial"})
        )
        Partners(archive).put(rule)
        association = associate((CT_STORAGE, ExplicitVRLittleEndian))
        assert sent(association, dataset()).Status == 0
        assert len(archive.seen_by(rule.visible).instances(uid(1))) == 1
        assert sent(association, dataset(study=2, instance=2)).Status == 0x0124
        assert len(archive.instances(uid(2))) == 1


def _pixels(size):
    import numpy as np

    return np.arange(size * size, dtype=np.uint16).reshape(size, size)
