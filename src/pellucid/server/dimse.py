"""The DICOM listener and the deliveries beside the HTTP server, in one data folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from pellucid.access.doorkeeper import audit_sink, authenticator
from pellucid.server import logs
from pellucid.server.platform import Platform
from pellucid.server.settings import Settings

if TYPE_CHECKING:
    from pellucid.dimse.server import DimseSettings


@contextmanager
def dimse(settings: Settings, platform: Platform, web_address: str) -> Iterator[str]:
    """Serve DICOM associations where a port is set, and deliver what is queued; yields where, as text.

    `web_address`: where partners reach the HTTP server, which provides pixels by JPIP.
    """
    from pellucid.dimse.server import DimseServer, start_deliveries

    wanted = dimse_settings(settings, web_address)
    deliverer = start_deliveries(platform.archive, wanted)
    platform.closers.append(deliverer.close)
    server = DimseServer(platform.archive, wanted) if settings.dimse_port is not None else None
    try:
        if server is None:
            yield ""
        else:
            platform.closers.append(server.close)
            server.start()
            platform.association_counts.append(server.associations)
            platform.stored_elsewhere.append(server.stored)
            yield f"{wanted.titles[0]} at {wanted.host}:{server.port}"
    finally:
        platform.end_users()


def dimse_settings(settings: Settings, web_address: str) -> DimseSettings:
    """How associations are served and opened. `web_address`: as above."""
    from pellucid.archive.referenced import JPIP
    from pellucid.dimse.limits import NetworkLimits
    from pellucid.dimse.server import DimseSettings
    from pellucid.dimse.tls import TlsFiles

    return DimseSettings(
        host=settings.dimse_host,
        port=settings.dimse_port or 0,
        titles=tuple(title.strip() for title in settings.aet.split(",")),
        processes=settings.dimse_processes,
        private_storage=settings.dimse_private_storage,
        jpip=web_address + JPIP,
        limits=NetworkLimits(instance_bytes=settings.instance_bytes, associations=settings.dimse_associations),
        tls=TlsFiles(
            certificate=settings.dimse_certificate,
            key=settings.dimse_key,
            authorities=settings.dimse_authorities,
            require_client=settings.dimse_require_certificate,
        ),
        audit=audit_sink,
        prepare=partial(logs.configure, settings.log_format, settings.log_level),
        authenticate=authenticator,
    )
