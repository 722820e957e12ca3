"""Logging in at an identity provider: OpenID Connect Core 1.0, authorization code flow with PKCE (RFC 7636).

The provider is asked where its doors are (Discovery 1.0); its keys are fetched again when it signs with one that is
not known. Access tokens (RFC 9068) of the same provider let programs in; back-channel logout ends sessions.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from pellucid.access.accounts import ALL_PROJECTS, project_of
from pellucid.access.roles import Role, role_of
from pellucid.errors import InvalidInputError, PellucidError

if TYPE_CHECKING:
    import httpx

log = logging.getLogger("pellucid.access")

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
"""Signatures by keys of which only the provider has the private part."""
_LOGIN_S = 600.0
_MOST_LOGINS = 1000
_FRESH_S = 3600.0
_KEYS_AGAIN_S = 10.0
_LEEWAY_S = 60
_TIMEOUT_S = 10.0
_ANSWER_BYTES = 1 << 20
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


class IdentityError(PellucidError):
    """The identity provider does not say (believably) who somebody is."""


@dataclass(frozen=True, kw_only=True)
class ProviderSettings:
    """An identity provider, and what its claims mean here.

    `groups_claim`: names the groups; `roles`: group → role; `projects`: group → project ("*": all studies);
    `everybody_sees`: projects of everybody who may log in. `audience`: of access tokens (default: `client_id`).
    `authority`: PEM file of the authorities that are trusted for the connection (default: the usual ones).
    """

    issuer: str
    client_id: str
    client_secret: str = ""
    title: str = "Single sign-on"
    scope: str = "openid profile email"
    name_claim: str = "preferred_username"
    groups_claim: str = "groups"
    roles: Mapping[str, str] = field(default_factory=dict)
    projects: Mapping[str, str] = field(default_factory=dict)
    everybody_sees: tuple[str, ...] = ()
    audience: str = ""
    authority: Path | None = None

    def __post_init__(self) -> None:
        _require_safe(self.issuer, "oidc.issuer")
        for role in self.roles.values():
            role_of(role)
        for project in {*self.projects.values(), *self.everybody_sees} - {ALL_PROJECTS}:
            project_of(project)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who somebody is by the provider's word; `session`: the provider's id of their session there."""

    subject: str
    name: str
    full_name: str
    roles: frozenset[Role]
    projects: frozenset[str]
    session: str = ""


@dataclass(frozen=True)
class _Begun:
    verifier: str
    nonce: str
    redirect_uri: str
    at: float


class Provider:
    """One identity provider; safe for use from many threads."""

    def __init__(self, settings: ProviderSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._logins: OrderedDict[str, _Begun] = OrderedDict()
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, Any] | None = None
        self._client: httpx.Client | None = None

    def begin(self, redirect_uri: str) -> tuple[str, str]:
        """Begin a login: the address to send the browser to, and the state that it must bring back."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        begun = _Begun(verifier, nonce, redirect_uri, time.monotonic())
        with self._lock:
            self._logins[state] = begun
            while len(self._logins) > _MOST_LOGINS:
                self._logins.popitem(last=False)
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": self.settings.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        address = self._endpoint("authorization_endpoint")
        return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}", state

    def finish(self, answer: Mapping[str, str], expected_state: str) -> Identity:
        """Who logged in; `answer`: what the provider sent the browser back with. Raises `IdentityError`."""
        state = answer.get("state", "")
        if not state or not hmac.compare_digest(state.encode(), expected_state.encode()):
            raise IdentityError("the login was not begun in this browser, or took too long; begin again")
        with self._lock:
            begun = self._logins.pop(state, None)
        if begun is None or time.monotonic() - begun.at > _LOGIN_S:
            raise IdentityError("the login took too long; begin again")
        if answer.get("iss", self.settings.issuer) != self.settings.issuer:
            raise IdentityError("the answer is of another identity provider")
        if "error" in answer or not answer.get("code"):
            raise IdentityError("the identity provider did not let you in")
        return self._identity_of_code(answer["code"], begun)

    def identity_of_token(self, token: str) -> Identity:
        """Whom an access token speaks for (RFC 9068). Raises `IdentityError`."""
        claims = self._claims(token, self.settings.audience or self.settings.client_id)
        if "nonce" in claims or "at_hash" in claims or "c_hash" in claims:
            raise IdentityError("an ID token is no access token")
        return self._identity(claims)

    def ended(self, logout_token: str) -> tuple[str, str]:
        """The session and the subject that a logout token is about (Back-Channel Logout 1.0 section 2.6)."""
        claims = self._claims(logout_token, self.settings.client_id, needs_subject=False)
        events = claims.get("events")
        if not isinstance(events, dict) or _LOGOUT_EVENT not in events or "nonce" in claims:
            raise IdentityError("not a logout token")
        session, subject = str(claims.get("sid", "")), str(claims.get("sub", ""))
        if not session and not subject:
            raise IdentityError("the logout token names neither session nor subject")
        return session, subject

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def _identity_of_code(self, code: str, begun: _Begun) -> Identity:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": begun.redirect_uri,
            "code_verifier": begun.verifier,
        }
        secret = self.settings.client_secret
        if not secret:
            form["client_id"] = self.settings.client_id
        answer = self._ask("POST", self._endpoint("token_endpoint"), form, (self.settings.client_id, secret))
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(id_token, str):
            raise IdentityError("the identity provider gave no ID token")
        claims = self._claims(id_token, self.settings.client_id)
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), begun.nonce.encode()):
            raise IdentityError("the ID token is of another login (nonce)")
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self.settings.client_id:
            raise IdentityError("the ID token is for another party (azp)")
        if self.settings.groups_claim not in claims and isinstance(access_token, str):
            claims = {**self._user_info(access_token, str(claims["sub"])), **claims}
        return self._identity(claims)

    def _user_info(self, access_token: str, subject: str) -> dict[str, Any]:
        """Claims that the ID token does not hold (Core section 5.3)."""
        if not self._discovered().get("userinfo_endpoint"):
            return {}
        answer = self._ask("GET", self._endpoint("userinfo_endpoint"), bearer=access_token)
        if answer.get("sub") != subject:
            raise IdentityError("the identity provider's answers speak of two people")
        return answer

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        settings = self.settings
        groups = claims.get(settings.groups_claim, [])
        names = (
            {groups}
            if isinstance(groups, str)
            else {str(group) for group in groups}
            if isinstance(groups, list)
            else set()
        )
        roles = frozenset(role_of(role) for group, role in settings.roles.items() if group in names)
        if not roles:
            raise IdentityError("none of your groups has a role here")
        own = {project for group, project in settings.projects.items() if group in names}
        subject = str(claims["sub"])
        return Identity(
            subject=subject,
            name=str(claims.get(settings.name_claim) or claims.get("email") or subject),
            full_name=str(claims.get("name", "")),
            roles=roles,
            projects=frozenset(own | set(settings.everybody_sees)),
            session=str(claims.get("sid", "")),
        )

    def _claims(self, token: str, audience: str, *, needs_subject: bool = True) -> dict[str, Any]:
        """What a signed token says: of this provider, for `audience`, now. Raises `IdentityError`."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        try:
            decoded = self._decoded(token)
            registry = jwt.JWTClaimsRegistry(
                now=int(time.time()),
                leeway=_LEEWAY_S,
                iss={"essential": True, "value": self.settings.issuer},
                aud={"essential": True, "value": audience},
                exp={"essential": needs_subject},
                iat={"essential": True},
                sub={"essential": needs_subject},
            )
            registry.validate(decoded.claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise IdentityError(f"the token is not valid ({type(error).__name__})") from error
        claims: dict[str, Any] = decoded.claims
        return claims

    def _decoded(self, token: str) -> Any:
        """The token, its signature verified; the keys are fetched again where it was signed with an unknown one."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        fetched = 0.0
        try:
            fetched, keys = self._key_set()
            return jwt.decode(token, keys, algorithms=_ALGORITHMS)
        except (JoseError, ValueError) as error:
            if time.monotonic() - fetched < _KEYS_AGAIN_S:
                raise IdentityError("the token's signature cannot be verified") from error
        try:
            return jwt.decode(token, self._key_set(again=True)[1], algorithms=_ALGORITHMS)
        except (JoseError, ValueError) as error:
            raise IdentityError("the token's signature cannot be verified") from error

    def _key_set(self, *, again: bool = False) -> tuple[float, Any]:
        from joserfc.jwk import KeySet

        now = time.monotonic()
        if self._keys is None or again or now - self._keys[0] > _FRESH_S:
            self._keys = now, KeySet.import_key_set(self._ask("GET", self._endpoint("jwks_uri")))  # type: ignore[arg-type]
        return self._keys

    def _endpoint(self, name: str) -> str:
        address = str(self._discovered().get(name, ""))
        _require_safe(address, name)
        return address

    def _discovered(self) -> dict[str, Any]:
        now = time.monotonic()
        if self._metadata is None or now - self._metadata[0] > _FRESH_S:
            found = self._ask("GET", self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration")
            if found.get("issuer") != self.settings.issuer:
                raise IdentityError("the identity provider says it is another issuer than was set")
            self._metadata = now, found
        return self._metadata[1]

    def _ask(
        self,
        method: str,
        address: str,
        form: Mapping[str, str] | None = None,
        client: tuple[str, str] | None = None,
        bearer: str = "",
    ) -> dict[str, Any]:
        import httpx

        headers = {"accept": "application/json"} | ({"authorization": f"Bearer {bearer}"} if bearer else {})
        credentials = httpx.BasicAuth(*client) if client and client[1] else None
        try:
            with self._http().stream(method, address, data=form, headers=headers, auth=credentials) as answer:
                body = b""
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > _ANSWER_BYTES:
                        raise IdentityError("the identity provider's answer is too large")
            found = httpx.Response(answer.status_code, content=body).json() if answer.status_code == 200 else None
        except (httpx.HTTPError, ValueError) as error:
            log.warning("the identity provider cannot be asked: %s", type(error).__name__)
            raise IdentityError("the identity provider cannot be asked now") from error
        if not isinstance(found, dict):
            log.warning("the identity provider answered with status %d", answer.status_code)
            raise IdentityError("the identity provider refused")
        return found

    def _http(self) -> httpx.Client:
        import ssl

        import httpx

        with self._lock:
            if self._client is None:
                authority = self.settings.authority
                context = ssl.create_default_context(cafile=str(authority) if authority else None)
                self._client = httpx.Client(verify=context, timeout=_TIMEOUT_S, follow_redirects=False)
            return self._client


def _challenge(verifier: str) -> str:
    """What the provider compares the verifier with later (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).decode("ascii").rstrip("=")


def _require_safe(address: str, field_name: str) -> None:
    """Tokens travel over TLS, or stay on this machine."""
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or parts.scheme not in ("https", "http") or (parts.scheme == "http" and not local):
        raise InvalidInputError(f"is {address!r}; expected an address that begins with https://", field=field_name)
