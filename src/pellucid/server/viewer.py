"""The web viewer's files, and its pages' addresses."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles

_SERVICES = ("api", "dicom-web", "health", "ready", "metrics")
_FOR_EVER = "public, max-age=31536000, immutable"
"""For files whose names hold a digest of their content."""

STATIC = Path(__file__).parent / "static"
_NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Pellucid</title>
<h1>Pellucid is running, but its viewer is not built.</h1>
<p>In the source folder, <code>make install</code> builds it. Meanwhile the programming interfaces answer:
<a href="/api/docs">/api/docs</a> and DICOMweb under <code>/dicom-web</code>.</p>
</html>"""


def viewer_routes(static: Path = STATIC) -> list[BaseRoute]:
    """Routes of the viewer, to stand after all others."""
    files = StaticFiles(directory=static, check_dir=False)

    async def file_or_page(request: Request) -> Response:
        """A file of the build, or the viewer's one page: the script in it shows what the address says."""
        path = request.path_params["path"]
        if request.method not in ("GET", "HEAD") or path.partition("/")[0] in _SERVICES:
            raise HTTPException(404)
        if not (static / "index.html").is_file():
            return HTMLResponse(_NOT_BUILT, 503)
        try:
            response = await files.get_response(path, request.scope)
            response.headers["cache-control"] = _FOR_EVER if path.startswith("assets/") else "no-cache"
            return response
        except HTTPException as error:
            if error.status_code != 404 or path.startswith("assets/"):
                raise
        return FileResponse(static / "index.html", headers={"cache-control": "no-cache"})

    return [Route("/{path:path}", file_or_page)]
