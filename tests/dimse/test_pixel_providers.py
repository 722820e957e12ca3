"""Pixels by JPIP for partners on DICOM's network: the server runs whole, pynetdicom asks, the JPIP client looks."""

import numpy as np
import pytest
from pydicom.dataset import FileMetaDataset
from pynetdicom import AE, build_role, evt
from pynetdicom.dsutils import decode
from tests.archive.samples import CT_STORAGE, coded, dataset, dicom, file_bytes, uid
from tests.dimse.conftest import serving_web
from tests.dimse.test_finding import identifier
from tests.dimse.test_retrieving import STUDY_GET, STUDY_MOVE, Receiver
from tests.jpip.encoders import picture

from pellucid.codecs import named, transcode
from pellucid.dimse.partners import ApplicationEntity, Partners
from pellucid.jpip import Client
from pellucid.server.app import create_app
from pellucid.server.dimse import dimse
from pellucid.server.platform import Platform
from pellucid.server.settings import Settings

STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
JPIP, JPIP_DEFLATE, JPIP_HTJ2K = (f"1.2.840.10008.1.2.4.{last}" for last in (94, 95, 204))
EXPLICIT = "1.2.840.10008.1.2.1"
SLICES = {number: picture(90, 70) + number for number in (1, 2)}
STRUCTURED = "1.2.840.10008.5.1.4.1.1.88.11"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Ports of HTTP and DICOM of a server that holds two slices (plain, HTJ2K), a film and a report."""
    settings = Settings(data=tmp_path_factory.mktemp("served") / "data", dimse_port=0, dimse_processes=0)
    platform = Platform.open(settings)
    store = platform.archive.store
    store(dicom(1, 1, 1, pixels=SLICES[1]))
    store(transcode(dicom(1, 1, 2, pixels=SLICES[2]), named("htj2k")))
    store(coded("1.2.840.10008.1.2.4.102", 3))
    report = dataset(2, SOPClassUID=STRUCTURED, Modality="SR")
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(report, keyword)
    store(file_bytes(report))
    with (
        serving_web(create_app(settings, platform=platform)) as address,
        dimse(settings, platform, address) as where,
    ):
        yield platform, address, int(where.rpartition(":")[2])
    platform.close()


@pytest.fixture
def ask(served):
    """Call with contexts: an association to the server, released at the end."""
    opened = []

    def connect(*contexts, **more):
        entity = AE("TESTER")
        for context in contexts:
            entity.add_requested_context(*(context if isinstance(context, tuple) else (context,)))
        opened.append(entity.associate("127.0.0.1", served[2], ae_title="PELLUCID", **more))
        assert opened[-1].is_established
        return opened[-1]

    yield connect
    for association in opened:
        association.release()


def seen(url):
    with Client(url) as client:
        client.fetch()
        return client.decode()


class Inflating(Receiver):
    """One that knows, other than pynetdicom, that JPIP Referenced Deflate is deflated."""

    def store(self, event):
        if event.context.transfer_syntax != JPIP_DEFLATE:
            return super().store(event)
        made = decode(event.request.DataSet, False, True, deflated=True)
        made.file_meta = event.file_meta
        self.got[made.SOPInstanceUID] = made
        return 0


def moved(served, ask, *syntaxes, sop_class=CT_STORAGE, study=1, **keys):
    receiver = Inflating((sop_class, list(syntaxes)))
    Partners(served[0].archive).put(ApplicationEntity(title="RECEIVER", host="127.0.0.1", port=receiver.port))
    wanted = identifier("STUDY" if not keys else "IMAGE", StudyInstanceUID=uid(study), **keys)
    *_, (final, _) = ask(STUDY_MOVE).send_c_move(wanted, "RECEIVER", STUDY_MOVE)
    receiver.server.shutdown()
    return receiver.got, final


def got(ask, *contexts, study=1):
    files = {}

    def store(event):
        made = event.dataset
        made.file_meta = event.file_meta
        files[made.SOPInstanceUID] = made
        return 0

    roles = [build_role(CT_STORAGE, scp_role=True)]
    association = ask(STUDY_GET, *contexts, evt_handlers=[(evt.EVT_C_STORE, store)], ext_neg=roles)
    *_, (final, _) = association.send_c_get(identifier("STUDY", StudyInstanceUID=uid(study)), STUDY_GET)
    return files, final, association


@pytest.mark.parametrize("syntax", [JPIP, JPIP_DEFLATE, JPIP_HTJ2K])
def test_moved_to_one_that_takes_nothing_else(served, ask, syntax):
    files, final = moved(served, ask, syntax)
    assert (final.Status, final.NumberOfCompletedSuboperations) == (0xB000, 2)  # a film is no picture for JPIP
    for number, array in SLICES.items():
        made = files[uid(1, 1, number)]
        assert made.file_meta.TransferSyntaxUID == syntax
        assert "PixelData" not in made
        assert made.PixelDataProviderURL.startswith(f"{served[1]}/jpip/")
        np.testing.assert_array_equal(seen(made.PixelDataProviderURL), array)


def test_who_takes_pixels_gets_pixels(served, ask):
    files, _ = moved(served, ask, JPIP, EXPLICIT)
    assert files[uid(1, 1, 1)].file_meta.TransferSyntaxUID == EXPLICIT
    np.testing.assert_array_equal(files[uid(1, 1, 1)].pixel_array, SLICES[1])


def test_what_has_no_pixels_is_not_offered_so(served, ask):
    files, final = moved(served, ask, JPIP, sop_class=STRUCTURED, study=2)
    assert (files, final.Status) == ({}, 0xA702)


def test_got(ask):
    files, final, _ = got(ask, (CT_STORAGE, JPIP))
    assert (final.Status, sorted(files)) == (0xB000, [uid(1, 1, 1), uid(1, 1, 2)])
    np.testing.assert_array_equal(seen(files[uid(1, 1, 2)].PixelDataProviderURL), SLICES[2])


@pytest.mark.parametrize("order", [[JPIP, EXPLICIT], [EXPLICIT, JPIP]])
def test_a_context_of_both_is_for_pixels(ask, order):
    """It can store, too; one that is for addresses alone cannot."""
    files, _, _ = got(ask, (CT_STORAGE, order))
    assert files[uid(1, 1, 1)].file_meta.TransferSyntaxUID == EXPLICIT
    roles = [build_role(CT_STORAGE, scu_role=True, scp_role=True)]
    made = dataset(6)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = EXPLICIT
    assert ask((CT_STORAGE, order), ext_neg=roles).send_c_store(made).Status == 0


def test_such_objects_are_not_stored(ask):
    roles = [build_role(CT_STORAGE, scu_role=True, scp_role=True)]
    made = dataset(5, PixelData=None)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = JPIP
    assert ask((CT_STORAGE, JPIP), ext_neg=roles).send_c_store(made).Status == 0x0211
    assert ask("1.2.840.10008.1.1", (CT_STORAGE, JPIP)).rejected_contexts[0].result == 4


def test_asked_for_in_a_query(served, ask, monkeypatch):
    read = []
    monkeypatch.setattr(served[0].archive.reads, "note", read.append)
    keys = identifier(
        "IMAGE", StudyInstanceUID=uid(1), SeriesInstanceUID=uid(1, 1), SOPInstanceUID="", PixelDataProviderURL=""
    )
    answers = [found for status, found in ask(STUDY_FIND).send_c_find(keys, STUDY_FIND) if found]
    assert read == []  # to be asked where a study's pixels are is not to read it
    urls = {found.SOPInstanceUID: found.PixelDataProviderURL for found in answers}
    assert urls.pop(uid(1, 1, 3)) == ""  # the film
    assert {name: url.partition("?")[0] for name, url in urls.items()} == {
        uid(1, 1, 1): f"{served[1]}/jpip/j2k",
        uid(1, 1, 2): f"{served[1]}/jpip/htj2k",
    }
    for number, array in SLICES.items():
        np.testing.assert_array_equal(seen(urls[uid(1, 1, number)]), array)
    del keys.PixelDataProviderURL
    assert all(
        "PixelDataProviderURL" not in found for _, found in ask(STUDY_FIND).send_c_find(keys, STUDY_FIND) if found
    )


def test_without_a_service_nothing_is_offered(archive, associate):
    archive.store(dicom())
    rejected = associate(STUDY_GET, (CT_STORAGE, JPIP), ext_neg=[build_role(CT_STORAGE, scp_role=True)])
    assert rejected.rejected_contexts[0].result == 4
