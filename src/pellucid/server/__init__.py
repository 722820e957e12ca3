"""The server: archive, jobs, DICOMweb and viewer in one ASGI application.

    serve(Settings(data=Path("pellucid-data")))      # until Ctrl-C
    app = create_app(Settings(data=folder))          # for any ASGI server, or for tests

`Platform` is the same without HTTP: it keeps raw signals and the images made from them.
"""

from pellucid.server.app import create_app
from pellucid.server.job import Job
from pellucid.server.jobs import JobRunner
from pellucid.server.platform import Made, Platform
from pellucid.server.run import serve
from pellucid.server.settings import Settings

__all__ = ["Job", "JobRunner", "Made", "Platform", "Settings", "create_app", "serve"]
