"""DICOMweb servers that are sent to: how this one is known there, and whose certificates are trusted."""

from __future__ import annotations

import ipaddress
import os
import re
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import httpx
from sqlalchemy import select

from pellucid.archive import Archive
from pellucid.dimse.tables import WebPartnerRow
from pellucid.dimse.tls import TlsFiles
from pellucid.errors import InvalidInputError

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_VARIABLE = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_FILE = "file:"
_LONGEST_SECRET = 16 << 10


@dataclass(frozen=True, kw_only=True)
class WebPartner:
    """A server at `url`, such as https://host/dicom-web.

    `token` (a bearer token), or `user` and `password`: sent with each request; token and password are where the secret
    is, "env:NAME" (an environment variable of the server) or "file:/path", and are read when they are needed.
    `authorities`, `certificate`, `private_key`: PEM files for TLS.
    """

    url: str
    token: str = ""
    user: str = ""
    password: str = ""
    authorities: str = ""
    certificate: str = ""
    private_key: str = ""

    def __post_init__(self) -> None:
        parts = require_web_address(self.url, "url")
        for name in ("token", "password"):
            _require_reference(getattr(self, name), name)
        if (self.token and self.user) or bool(self.user) != bool(self.password):
            raise InvalidInputError("is needed: a token, or a user and a password, or neither", field="one of them")
        if parts.scheme == "http" and (self.token or self.user) and not _is_here(parts.hostname or ""):
            raise InvalidInputError("would carry the secret in the clear; expected https://", field="url")

    def client(self) -> httpx.Client:
        """For requests to it; raises `InvalidInputError` where a secret or a file is not where it should be."""
        headers = {"Authorization": f"Bearer {_secret(self.token, 'token')}"} if self.token else {}
        login = httpx.BasicAuth(self.user, _secret(self.password, "password")) if self.user else None
        tls = TlsFiles(
            certificate=_path(self.certificate), key=_path(self.private_key), authorities=_path(self.authorities)
        )
        return httpx.Client(timeout=_TIMEOUT, headers=headers, auth=login, verify=tls.for_calling())


def require_web_address(text: str, field: str, *, expected: str = "https://host/dicom-web") -> SplitResult:
    """The parts of a DICOMweb server's address; raises `InvalidInputError` where it is none, or holds a secret."""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as a port above 65535
        parts, fits = urlsplit(""), False
    if "@" in parts.netloc:
        raise InvalidInputError("holds a name or secret; `pellucid dicomweb add` takes these", field=field)
    if not fits or parts.query or parts.fragment:  # the text is not repeated: a secret may be anywhere in it
        raise InvalidInputError(f"is no address; expected {expected}", field=field)
    return parts


class WebPartners:
    """Those in the archive's database."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def all(self) -> list[WebPartner]:
        """Every one, by address."""
        with self._archive.reading() as session:
            return [_partner(row) for row in session.scalars(select(WebPartnerRow).order_by(WebPartnerRow.url))]

    def at(self, url: str) -> WebPartner:
        """The one at this address; one that asks for no credentials where none is known."""
        with self._archive.reading() as session:
            row = session.get(WebPartnerRow, _plain(url))
            return _partner(row) if row else WebPartner(url=url)

    def put(self, partner: WebPartner) -> None:
        """Add one, or change the one at that address."""
        values = {field.name: getattr(partner, field.name) for field in fields(partner)}
        with self._archive.writing() as session:
            session.merge(WebPartnerRow(**{**values, "url": _plain(partner.url)}))

    def remove(self, url: str) -> bool:
        """Remove one; whether it was there."""
        with self._archive.writing() as session:
            row = session.get(WebPartnerRow, _plain(url))
            if row is not None:
                session.delete(row)
            return row is not None


def _plain(url: str) -> str:
    return url.rstrip("/")


def _partner(row: WebPartnerRow) -> WebPartner:
    return WebPartner(**{field.name: getattr(row, field.name) for field in fields(WebPartner)})


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _require_reference(text: str, field: str) -> None:
    if not text or _VARIABLE.fullmatch(text) or (text.startswith(_FILE) and Path(text[len(_FILE) :]).is_absolute()):
        return
    # The text is not repeated: it may be the secret itself.
    raise InvalidInputError("says not where the secret is; expected env:NAME or file:/path", field=field)


def _secret(reference: str, field: str) -> str:
    variable = _VARIABLE.fullmatch(reference)
    if variable:
        found = os.environ.get(variable[1], "").strip()
    else:
        try:
            with Path(reference.removeprefix(_FILE)).open("rb") as file:
                found = file.read(_LONGEST_SECRET).decode("ascii", "replace").strip()
        except OSError as error:
            raise InvalidInputError(
                f"cannot be read ({error.strerror or error})", file=reference, field=field
            ) from error
    if not found or not found.isascii() or not found.isprintable():
        raise InvalidInputError("is empty, or not one line of ASCII", file=reference, field=field)
    return found


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False
