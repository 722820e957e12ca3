"""FHIR R5 over the archive: ImagingStudy read and search, the Endpoint where the images are, and what can be asked.

    routes = fhir.routes(archive)          # Starlette routes, to be mounted at the service's root (`/fhir`)

A study of the archive is an ImagingStudy whose id is its Study Instance UID. Nothing is stored here.
"""

from pellucid.fhir.service import routes

__all__ = ["routes"]
