"""TLS with certificates made here; and user identity."""

import gc
import socket
import ssl
from contextlib import suppress

import pytest
from pynetdicom import AE
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from tests.archive.samples import CT_STORAGE, dicom, uid
from tests.dimse.conftest import listening
from tests.dimse.test_bad_partners import association_request

from pellucid.access import Caller, Permission
from pellucid.archive import EVERYTHING
from pellucid.cli.app import run as pellucid
from pellucid.dimse.tls import TlsFiles
from pellucid.errors import InvalidInputError

VERIFICATION = "1.2.840.10008.1.1"
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"


@pytest.fixture(autouse=True)
def collected():
    """A connection that fails leaves no open socket: a warning about it comes within its test."""
    yield
    gc.collect()


@pytest.fixture
def files(pki):
    return TlsFiles(certificate=pki / "server.crt", key=pki / "server.key", authorities=pki / "authority.crt")


@pytest.fixture
def secured(archive, files):
    with listening(archive, tls=files.for_listening()) as started:
        yield started


def client_context(pki, *, with_certificate=False):
    context = ssl.create_default_context(cafile=pki / "authority.crt")
    if with_certificate:
        context.load_cert_chain(pki / "client.crt", pki / "client.key")
    return context


def test_pynetdicom_over_tls(archive, secured, associate, pki):
    association = associate(VERIFICATION, port=secured.port, tls_args=(client_context(pki), "127.0.0.1"))
    assert association.send_c_echo().Status == 0


def test_in_the_clear_nothing_is_served(secured):
    with socket.create_connection(("127.0.0.1", secured.port), timeout=5) as link:
        link.sendall(association_request())
        with suppress(ConnectionResetError):
            assert not link.recv(1000).startswith(b"\2")


def test_dcmtk_over_tls(run, archive, secured, pki, tmp_path):
    if "+tls" not in run("storescu", "--help"):
        pytest.skip("DCMTK is built without OpenSSL")
    (tmp_path / "a.dcm").write_bytes(dicom(1, 1, 1))
    run(
        "storescu", "+tls", pki / "client.key", pki / "client.crt", "+cf", pki / "authority.crt", "-aec", "PELLUCID",
        "127.0.0.1", secured.port, tmp_path / "a.dcm",
    )  # fmt: skip
    assert len(archive.instances(uid(1))) == 1


def test_our_client_over_tls(secured, pki, capsys):
    peer = f"PELLUCID@127.0.0.1:{secured.port}"
    assert pellucid(["echo", peer, "--tls", "--authorities", str(pki / "authority.crt")]) == 0
    assert pellucid(["echo", peer, "--tls"]) == 1  # nobody vouches for it
    assert "certificate" in capsys.readouterr().err.lower()


def test_a_certificate_may_be_demanded(archive, pki, associate):
    files = TlsFiles(
        certificate=pki / "server.crt",
        key=pki / "server.key",
        authorities=pki / "authority.crt",
        require_client=True,
    )
    with listening(archive, tls=files.for_listening()) as strict:
        known = (client_context(pki, with_certificate=True), "127.0.0.1")
        assert associate(VERIFICATION, port=strict.port, tls_args=known).send_c_echo().Status == 0
        link = socket.create_connection(("127.0.0.1", strict.port), timeout=5)
        with suppress(OSError), client_context(pki).wrap_socket(link, server_hostname="127.0.0.1") as unknown:
            unknown.sendall(association_request())
            assert unknown.recv(100) == b""


def test_every_command_shows_a_certificate_where_one_is_demanded(archive, pki, tmp_path, capsys):
    files = TlsFiles(
        certificate=pki / "server.crt",
        key=pki / "server.key",
        authorities=pki / "authority.crt",
        require_client=True,
    )
    file = tmp_path / "a.dcm"
    file.write_bytes(dicom())
    with listening(archive, tls=files.for_listening()) as strict:
        peer = f"PELLUCID@127.0.0.1:{strict.port}"
        tls = ["--tls", "--authorities", str(pki / "authority.crt")]
        mine = ["--certificate", str(pki / "client.crt"), "--private-key", str(pki / "client.key")]
        for command in (
            ["echo", peer],
            ["send", peer, str(file)],
            ["query", peer],
            ["fetch", peer, "-k", "PatientID=P1", "-o", str(tmp_path / "got")],
            ["worklist", peer],
        ):
            assert pellucid([*command, *tls]) == 1
            assert pellucid([*command, *tls, *mine]) == 0, capsys.readouterr().err
    assert len(list((tmp_path / "got").glob("*.dcm"))) == 1


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("weakness", ["version", "cipher"])
def test_what_is_weak_is_not_spoken(secured, pki, weakness):
    context = client_context(pki)
    if weakness == "version":
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    else:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AES128-SHA:AES256-SHA")
    with socket.create_connection(("127.0.0.1", secured.port), timeout=5) as link, pytest.raises(OSError):  # noqa: PT011
        context.wrap_socket(link, server_hostname="127.0.0.1")


def test_files_that_cannot_be_used(pki, tmp_path):
    (tmp_path / "bad.crt").write_text("no certificate")
    with pytest.raises(InvalidInputError, match=r"bad\.crt"):
        TlsFiles(certificate=tmp_path / "bad.crt").for_listening()
    for half in (TlsFiles(key=pki / "server.key"), TlsFiles(authorities=pki / "authority.crt", require_client=True)):
        with pytest.raises(InvalidInputError, match="certificate"):
            half.for_listening()
    with pytest.raises(InvalidInputError, match="authorities"):
        TlsFiles(certificate=pki / "server.crt", key=pki / "server.key", require_client=True).for_listening()


class TestIdentity:
    @pytest.fixture
    def known(self, archive):
        person = Caller(
            name="jane", kind="account", permissions=frozenset({Permission.STORE}), visible=EVERYTHING, address=""
        )

        def authenticate(name, password):
            return person if (name, password) in (("jane", "secret"), ("trusted", None)) else None

        with listening(archive, authenticate=authenticate) as started:
            yield started

    def connect(self, known, kind, name, password=b""):
        item = UserIdentityNegotiation()
        item.user_identity_type, item.primary_field = kind, name
        item.positive_response_requested = True
        if password:
            item.secondary_field = password
        entity = AE("TESTER")
        for context in (VERIFICATION, STUDY_ROOT, CT_STORAGE):
            entity.add_requested_context(context)
        return entity.associate("127.0.0.1", known.port, ae_title="PELLUCID", ext_neg=[item])

    def test_a_known_user(self, known):
        association = self.connect(known, 2, b"jane", b"secret")
        assert association.send_c_echo().Status == 0
        assert association.acceptor.user_identity is not None
        from tests.dimse.test_finding import identifier

        ((status, _),) = association.send_c_find(identifier("STUDY", StudyInstanceUID=""), STUDY_ROOT)
        assert status.Status == 0x0124  # Jane may store, not search
        association.release()

    def test_a_name_alone(self, known):
        association = self.connect(known, 1, b"trusted")
        assert association.is_established
        association.release()

    def test_unknown_users(self, known):
        assert self.connect(known, 2, b"jane", b"wrong").is_rejected
        assert self.connect(known, 1, b"jane").is_rejected

    def test_our_client(self, known, monkeypatch):
        monkeypatch.setenv("PELLUCID_DIMSE_PASSWORD", "secret")
        assert pellucid(["echo", f"PELLUCID@127.0.0.1:{known.port}", "--user", "jane"]) == 0
        assert pellucid(["echo", f"PELLUCID@127.0.0.1:{known.port}", "--user", "joe"]) == 1
