"""Settings of who may come in, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from pellucid.access.oidc import ProviderSettings

Minutes = Annotated[int, Field(ge=1, le=7 * 24 * 60)]


class AccessSettings(BaseModel):
    """Who may come in, and how.

    `names`: host names that the server is reached by, besides localhost. `tls_certificate`, `tls_key`: PEM files; with
    them the server speaks HTTPS. `trusted_proxies`: addresses of reverse proxies in front that end TLS and say who
    asks (X-Forwarded-For, -Proto). `session_idle_minutes`: a login ends when it was not used for so long;
    `session_minutes`: it ends in any case. `connections`: at a time; `requests_per_second`: from one address
    elsewhere, on average. `audit_syslog`: where audit messages are sent too, udp://host:port or tls://host:port
    (`audit_syslog_authority`: PEM file of its certificate's authority); `audit_anchors`: file that the end of the
    audit trail is noted in every hour. `oidc`: an identity provider.
    """

    names: tuple[str, ...] = ()
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[str, ...] = ()
    session_idle_minutes: Minutes = 60
    session_minutes: Minutes = 12 * 60
    connections: Annotated[int, Field(ge=8, le=100_000)] = 512
    requests_per_second: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    audit_syslog: str = ""
    audit_syslog_authority: Path | None = None
    audit_anchors: Path | None = None
    oidc: ProviderSettings | None = None
