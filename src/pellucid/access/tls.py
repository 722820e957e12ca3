"""TLS as BCP 195 (RFC 9325) recommends it, for every listener."""

from __future__ import annotations

import ssl
from pathlib import Path

from pellucid.errors import InvalidInputError

CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
"""Of TLS 1.2 those with forward secrecy and authenticated encryption (section 4.2); TLS 1.3 has no others."""


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """For a listener: TLS 1.2 and 1.3, no renegotiation, no compression; raises `InvalidInputError`."""
    for field, file in (("tls_certificate", certificate), ("tls_key", key)):
        if not file.is_file():
            raise InvalidInputError("is not a file", file=file, field=field)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise InvalidInputError(
            f"cannot be used with the key {key.name} ({getattr(error, 'reason', None) or error}); expected PEM files "
            "of a certificate (then its intermediates) and its key, without a passphrase",
            file=certificate,
            field="tls_certificate",
        ) from error
    return context


def _no_password() -> str:
    raise ValueError("the key has a passphrase")
