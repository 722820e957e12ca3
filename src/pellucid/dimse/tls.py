"""TLS as the non-downgrading profile of DICOM PS3.15 annex B.10 has it (BCP 195): TLS 1.2 or newer, these ciphers."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from pellucid.errors import InvalidInputError

CIPHERS = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "DHE-RSA-AES256-GCM-SHA384",
    "DHE-RSA-AES128-GCM-SHA256",
)
"""For TLS 1.2; those of TLS 1.3 are all as good."""


@dataclass(frozen=True, kw_only=True)
class TlsFiles:
    """PEM files: this side's certificate (with its chain) and key, and whose certificates are trusted.

    With `require_client` a partner without a certificate signed by `authorities` is not served.
    """

    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None
    require_client: bool = False

    def for_listening(self) -> ssl.SSLContext | None:
        """For a listener; None without a certificate. Raises `InvalidInputError` where a file cannot be used."""
        if self.certificate is None:
            if self.key is not None or self.require_client:
                raise InvalidInputError("is needed for TLS", field="certificate")
            return None
        context = _strict(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        self._load(context)
        if self.require_client:
            if self.authorities is None:
                raise InvalidInputError("are needed where partners must have certificates", field="authorities")
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def for_calling(self) -> ssl.SSLContext:
        """For calls; the partner's certificate must be trusted (by the system or `authorities`) and name its host."""
        context = _strict(ssl.create_default_context())
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
            if self.authorities is not None:
                context.load_verify_locations(self.authorities)
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise InvalidInputError(
                f"cannot be used ({reason})", file=self.certificate or self.authorities, field="TLS"
            ) from error


def _strict(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(CIPHERS))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context
