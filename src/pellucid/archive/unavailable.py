"""The archive cannot be reached now: its database or its object store is gone, slow, or answers with errors."""

from __future__ import annotations

from pellucid.errors import PellucidError


class ArchiveUnavailableError(PellucidError):
    """Nothing was stored or read; the same request may succeed later (DIMSE A700, HTTP 503)."""
