"""All resources of the service: its routes, its description and its conformance table are made from this."""

from __future__ import annotations

from pellucid.dicomweb import bulk_data, frames, instances, metadata, pictures, searching, storing

RESOURCES = (
    *searching.RESOURCES,
    *storing.RESOURCES,
    *instances.RESOURCES,
    *metadata.RESOURCES,
    *pictures.RESOURCES,
    *frames.RESOURCES,
    *bulk_data.RESOURCES,
)
