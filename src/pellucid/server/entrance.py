"""The doorkeeper of a platform, made as the settings say, and whether the server may listen where it is told to."""

from __future__ import annotations

from pellucid.access.audit_export import Anchoring, Background, SyslogForwarder, SyslogServer
from pellucid.access.doorkeeper import Doorkeeper
from pellucid.access.oidc import Provider
from pellucid.access.trail import AuditTrail
from pellucid.archive import Archive
from pellucid.errors import InvalidInputError
from pellucid.server.security import is_loopback
from pellucid.server.settings import Settings

_ANCHOR_S = 3600.0
_SOURCE = "pellucid"


def doorkeeper(archive: Archive, settings: Settings) -> Doorkeeper:
    """The doorkeeper of an archive."""
    return Doorkeeper(
        archive,
        always=not is_loopback(settings.host) or bool(settings.trusted_proxies),
        idle_s=60.0 * settings.session_idle_minutes,
        longest_s=60.0 * settings.session_minutes,
        provider=Provider(settings.oidc) if settings.oidc else None,
    )


def require_safe(settings: Settings) -> None:
    """Raises `InvalidInputError` where somebody elsewhere could listen in."""
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise InvalidInputError("needs both a certificate and a key", field="tls_certificate")
    if not is_loopback(settings.host) and settings.tls_certificate is None and not settings.trusted_proxies:
        raise InvalidInputError(
            f"is {settings.host!r}; elsewhere than on this machine TLS is needed (--tls-certificate, --tls-key), "
            "or a reverse proxy that has it (trusted_proxies); or use 127.0.0.1, and a tunnel (ssh -L) from elsewhere",
            field="host",
        )


def require_logins(settings: Settings, keeper: Doorkeeper) -> None:
    """Raises `InvalidInputError` where the server is reached from elsewhere, and nobody could log in."""
    if is_loopback(settings.host) and not settings.trusted_proxies:
        return
    if keeper.provider is None and not keeper.accounts.exist():
        raise InvalidInputError(
            f"is {settings.host!r}; elsewhere than on this machine people must log in, and there is no account: "
            "`pellucid user add NAME --role administrator` makes one",
            field="host",
        )


def export_audit(settings: Settings, trail: AuditTrail) -> Background:
    """Send the audit trail to where the settings say, until the server stops."""
    background = Background()
    if settings.audit_syslog:
        server = SyslogServer.at(settings.audit_syslog, settings.audit_syslog_authority)
        cursor = trail.file.with_name("audit.forwarded")
        background.start("syslog", SyslogForwarder(trail, server, source=_SOURCE, cursor=cursor).run)
    if settings.audit_anchors:
        background.start("anchors", Anchoring(trail, settings.audit_anchors, interval_s=_ANCHOR_S).run)
    return background
