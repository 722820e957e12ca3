"""JPEG 2000 Interactive Protocol (ISO/IEC 15444-9) over the archive: regions and resolutions instead of whole pictures.

    routes = jpip.routes(archive)                  # Starlette routes at /jpip
    with jpip.Client(url) as client:               # the other end
        client.fetch(region=(1024, 1024, 256, 256))
        part = client.decode()[1024:1280, 1024:1280]

A frame of any transfer syntax becomes a lossless codestream (JPEG 2000 or HTJ2K) in small precincts: one that is coded
so already is re-packed, its entropy-coded bytes untouched. `codestream` reads, `partition` re-packs, `index` says where
the data-bins are, `window` which of them a region needs, `response` what a client still lacks, `messages` how it is
told, `rebuild` makes a codestream of what came.
"""

from pellucid.jpip.client import Client, JpipError
from pellucid.jpip.limits import Limits
from pellucid.jpip.service import routes

__all__ = ["Client", "JpipError", "Limits", "routes"]
