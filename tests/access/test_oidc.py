"""Logging in at a real OpenID provider (node-oidc-provider) on loopback; its absence skips these tests by name."""

import base64
import hmac
import json
import subprocess
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.testclient import TestClient
from tools.build_viewer import find_node

from pellucid.access import Permission
from pellucid.access.oidc import IdentityError, Provider, ProviderSettings
from pellucid.errors import InvalidInputError
from pellucid.server import Settings, create_app

FOLDER = Path(__file__).parent / "identity_provider"
HERE = "http://127.0.0.1:8470"
CLIENT, SECRET = "pellucid-test", "a secret of forty characters, all told.."
GROUPS = {"ann": ["imaging", "trial-7"], "bob": ["kitchen"], "eve": ["imaging"]}


class RealProvider:
    def __init__(self):
        given = {
            "client": CLIENT,
            "secret": SECRET,
            "redirect": f"{HERE}/api/login/oidc/callback",
            "logout": f"{HERE}/api/login/oidc/logout",
            "groups": GROUPS,
        }
        command = [str(find_node().program), "server.mjs", json.dumps(given)]
        self.process = subprocess.Popen(
            command, cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.issuer = json.loads(self.process.stdout.readline())["issuer"]

    def rotate(self):
        self.process.stdin.write("rotate\n")
        self.process.stdin.flush()
        assert "rotated" in self.process.stdout.readline()

    def visit(self, address, person):
        """What a browser of somebody does there, to the address that it is sent back to."""
        with httpx.Client(headers={"x-person": person}, timeout=30) as browser:
            for _ in range(10):
                answer = browser.get(address)
                assert answer.is_redirect, answer.text
                address = str(httpx.URL(address).join(answer.headers["location"]))
                if address.startswith(HERE):
                    return address
        raise AssertionError(address)


@pytest.fixture(scope="module")
def real():
    if not (FOLDER / "node_modules/oidc-provider").is_dir():
        pytest.skip("oidc-provider is not installed (tools/install_identity_provider.py installs it)")
    started = RealProvider()
    yield started
    started.process.kill()
    started.process.communicate()


def settings_of(issuer, **more):
    return ProviderSettings(
        issuer=issuer,
        client_id=CLIENT,
        client_secret=SECRET,
        roles={"imaging": "physician"},
        projects={"trial-7": "Trial 7"},
        **more,
    )


@pytest.fixture
def app(real, tmp_path):
    return create_app(Settings(data=tmp_path / "data", oidc=settings_of(real.issuer)))


@pytest.fixture
def browser(app):
    with TestClient(app, base_url=HERE, follow_redirects=False) as client:
        yield client


def log_in(browser, real, person):
    begun = browser.get("/api/login/oidc")
    assert begun.status_code == 303
    return browser.get(real.visit(begun.headers["location"], person))


def test_logging_in(browser, real):
    state = browser.get("/api/session").json()
    assert (state["login_required"], state["provider"], state["caller"]["kind"]) == (True, "Single sign-on", "nobody")
    done = log_in(browser, real, "ann")
    assert (done.status_code, done.headers["location"]) == (303, "/")
    cookie = next(c for c in done.headers.get_list("set-cookie") if c.startswith("pellucid_session"))
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    caller = browser.get("/api/session").json()["caller"]
    assert (caller["name"], caller["kind"], caller["is_local_account"]) == ("ann", "account", False)
    assert "share" in caller["permissions"]
    account = browser.app.state.platform.keeper.accounts.get("ann")
    assert account.projects == {"Trial 7"}
    assert account.full_name == "Doctor ann"
    assert browser.get("/dicom-web/studies").status_code == 204


def test_the_request_to_the_provider_is_bound_to_the_browser_and_the_answer(browser):
    begun = browser.get("/api/login/oidc")
    asked = parse_qs(urlsplit(begun.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["state"][0]) >= 43
    assert len(asked["nonce"][0]) >= 43
    cookie = begun.headers["set-cookie"]
    assert "SameSite=lax" in cookie
    assert "HttpOnly" in cookie


def test_who_has_no_role_is_not_let_in(browser, real):
    done = log_in(browser, real, "bob")
    assert "/login?problem=none%20of%20your%20groups" in done.headers["location"]
    assert browser.get("/api/session").json()["caller"]["kind"] == "nobody"


def test_a_login_that_was_begun_elsewhere_is_refused(app, browser, real):
    """An answer that an attacker got, given to somebody else's browser."""
    begun = browser.get("/api/login/oidc")
    answer = real.visit(begun.headers["location"], "eve")
    other = TestClient(app, base_url=HERE, follow_redirects=False)
    assert "not%20begun%20in%20this%20browser" in other.get(answer).headers["location"]
    assert browser.get(answer).headers["location"] == "/"
    assert "problem=" in browser.get(answer).headers["location"], "an answer is good once"


def test_roles_are_those_of_the_last_login(browser, real, app):
    keeper = app.state.platform.keeper
    log_in(browser, real, "ann")
    keeper.provider.settings = settings_of(real.issuer, everybody_sees=("*",))
    log_in(browser, real, "ann")
    assert keeper.accounts.get("ann").projects == {"*", "Trial 7"}
    assert len(keeper.accounts.all()) == 1


def test_a_local_account_of_the_same_name_is_not_taken_over(browser, real, app):
    from tests.server.people import add

    add(app.state.platform, "ann", "administrator")
    assert "taken" in log_in(browser, real, "ann").headers["location"]


def test_who_was_switched_off_here_stays_out(browser, real, app):
    from dataclasses import replace

    keeper = app.state.platform.keeper
    log_in(browser, real, "ann")
    keeper.accounts.change(replace(keeper.accounts.get("ann"), active=False))
    assert "switched%20off" in log_in(browser, real, "ann").headers["location"]


def access_token(real, person):
    """An access token as a program gets it."""
    provider = Provider(settings_of(real.issuer))
    address, state = provider.begin(f"{HERE}/api/login/oidc/callback")
    answer = dict(pair.split("=", 1) for pair in urlsplit(real.visit(address, person)).query.split("&"))
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": f"{HERE}/api/login/oidc/callback",
        "code_verifier": provider._logins[state].verifier,
    }
    given = provider._ask("POST", provider._endpoint("token_endpoint"), form, (CLIENT, SECRET))
    provider.close()
    return given["access_token"], given["id_token"]


def test_access_tokens_let_programs_in(browser, real):
    access, identity = access_token(real, "ann")
    assert browser.get("/dicom-web/studies", headers={"authorization": f"Bearer {access}"}).status_code == 204
    head, body, signature = access.split(".")
    for forged in (f"{head}.{body}.{signature[:-4]}AAAA", f"{head}.{body}.", identity, "a.b.c"):
        assert browser.get("/dicom-web/studies", headers={"authorization": f"Bearer {forged}"}).status_code == 401


def test_keys_that_were_exchanged_are_fetched_again(browser, real, monkeypatch):
    log_in(browser, real, "ann")
    monkeypatch.setattr("pellucid.access.oidc._KEYS_AGAIN_S", 0.0)
    real.rotate()
    assert log_in(browser, real, "eve").headers["location"] == "/"


class TestTokens:
    """Claims, under keys of our own."""

    @pytest.fixture
    def key(self):
        return RSAKey.generate_key(2048, parameters={"kid": "k"})

    @pytest.fixture
    def provider(self, key):
        made = Provider(settings_of("https://id.example"))
        made._keys = time.monotonic(), KeySet([key])
        return made

    def token(self, key, algorithm="RS256", **changes):
        now = int(time.time())
        claims = {
            "iss": "https://id.example",
            "aud": CLIENT,
            "sub": "1",
            "iat": now,
            "exp": now + 60,
            "groups": ["imaging"],
            **changes,
        }
        return jwt.encode({"alg": algorithm, "kid": "k"}, {n: v for n, v in claims.items() if v is not None}, key)

    def test_a_right_one(self, provider, key):
        found = provider.identity_of_token(self.token(key))
        assert (found.subject, found.name, {r.value for r in found.roles}) == ("1", "1", {"physician"})

    @pytest.mark.parametrize(
        "changes",
        [
            {"iss": "https://evil.example"},
            {"iss": None},
            {"aud": "another"},
            {"aud": None},
            {"exp": 1},
            {"exp": None},
            {"iat": 1 << 40},
            {"nbf": 1 << 40},
            {"sub": None},
            {"groups": []},
            {"groups": None},
            {"groups": {"imaging": 1}},
            {"nonce": "n"},
        ],
    )
    def test_wrong_claims(self, provider, key, changes):
        with pytest.raises(IdentityError):
            provider.identity_of_token(self.token(key, **changes))

    def test_a_key_that_signs_for_itself(self, provider):
        with pytest.raises(IdentityError, match="signature"):
            provider.identity_of_token(self.token(RSAKey.generate_key(2048, parameters={"kid": "k"})))

    def test_no_signature_and_a_shared_secret(self, provider, key):
        head, body, _ = self.token(key).split(".")
        head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"k"}').decode().rstrip("=")
        mac = hmac.digest(key.as_pem(private=False), f"{head}.{body}".encode(), "sha256")
        forged = f"{head}.{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
        for token in (forged, "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."):
            with pytest.raises(IdentityError):
                provider.identity_of_token(token)

    def test_logout_tokens(self, provider, key):
        event = {"http://schemas.openid.net/event/backchannel-logout": {}}
        assert provider.ended(self.token(key, events=event, sid="s")) == ("s", "1")
        for wrong in ({"events": {}}, {"events": event, "nonce": "n"}, {"events": event, "sub": None}):
            with pytest.raises(IdentityError):
                provider.ended(self.token(key, **wrong))


def test_the_provider_ends_sessions(browser, real, app, monkeypatch):
    log_in(browser, real, "ann")
    provider = app.state.platform.keeper.provider
    monkeypatch.setattr(provider, "ended", lambda token: ("", "ann") if token == "t" else ("x", ""))
    assert browser.post("/api/login/oidc/logout", data={"logout_token": "other"}).status_code == 200
    assert browser.get("/api/session").json()["caller"]["name"] == "ann"
    assert browser.post("/api/login/oidc/logout", data={"logout_token": "t"}).status_code == 200
    assert browser.get("/api/session").json()["caller"]["kind"] == "nobody"


def test_addresses_without_tls_are_refused():
    with pytest.raises(InvalidInputError, match="begins with https"):
        ProviderSettings(issuer="http://id.example", client_id="c")


def test_another_issuer_behind_the_address_is_refused(real):
    provider = Provider(settings_of(real.issuer.replace("127.0.0.1", "localhost")))
    with pytest.raises(IdentityError, match="another issuer"):
        provider.begin(HERE)
    provider.close()


def test_a_provider_that_is_gone_is_one_line():
    provider = Provider(settings_of("http://127.0.0.1:9"))
    with pytest.raises(IdentityError, match="cannot be asked"):
        provider.begin(HERE)
    provider.close()


def test_permissions_come_from_roles(browser, real, app):
    log_in(browser, real, "eve")
    assert app.state.platform.keeper.accounts.get("eve").caller().may(Permission.SHARE)
    assert not app.state.platform.keeper.accounts.get("eve").visible.projects
