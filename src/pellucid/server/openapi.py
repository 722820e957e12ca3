"""The whole OpenAPI description: the routes of /api, and those of DICOMweb, which say it of themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from pellucid.dicomweb import description

DICOMWEB = "/dicom-web"


def describe_dicomweb_too(app: FastAPI) -> None:
    """Add the operations below /dicom-web to the application's description."""
    api_only: Callable[[], dict[str, Any]] = app.openapi

    def whole() -> dict[str, Any]:
        found = api_only()
        for path, operations in description.operations().items():
            found["paths"].setdefault(DICOMWEB + path, operations)
        found["components"]["schemas"].update(description.SCHEMAS)
        return found

    app.openapi = whole  # type: ignore[method-assign]
