"""DICOMweb (DICOM PS3.18) over the archive: QIDO-RS search, WADO-RS retrieve, STOW-RS store.

    routes = dicomweb.routes(archive)          # Starlette routes, to be mounted at the service's root

Thin: what is stored where is the archive's business; this package speaks HTTP, negotiates media types and decodes
pixels only where a client asks for something else than what is stored.
"""

from pellucid.dicomweb.limits import StoreLimits
from pellucid.dicomweb.service import routes

__all__ = ["StoreLimits", "routes"]
