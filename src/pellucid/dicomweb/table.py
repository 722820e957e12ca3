"""All resources of the service: its routes, its description and its conformance table are made from this."""

from __future__ import annotations

from pellucid.dicomweb import (
    bulk_data,
    capabilities,
    deleting,
    frames,
    instances,
    metadata,
    pictures,
    searching,
    storing,
    uri_service,
    work_item_service,
)

RESOURCES = (
    *searching.RESOURCES,
    *storing.RESOURCES,
    *instances.RESOURCES,
    *metadata.RESOURCES,
    *pictures.RESOURCES,
    *frames.RESOURCES,
    *bulk_data.RESOURCES,
    *deleting.RESOURCES,
    *uri_service.RESOURCES,
    *work_item_service.RESOURCES,
    *capabilities.RESOURCES,
)
