"""The web viewer's files, and its pages' addresses."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).parent / "static"
_NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Pellucid</title>
<h1>Pellucid is running, but its viewer is not built.</h1>
<p>In the source folder, <code>make install</code> builds it. Meanwhile the programming interfaces answer:
<a href="/api/docs">/api/docs</a> and DICOMweb under <code>/dicom-web</code>.</p>
</html>"""


def viewer_routes(static: Path = STATIC) -> list[BaseRoute]:
    """Routes of the viewer, to stand after all others."""

    async def page(request: Request) -> Response:
        """The viewer's one page, whatever its address: the script in it shows what the address says."""
        index = static / "index.html"
        if request.url.path.rpartition("/")[2].count("."):
            raise HTTPException(404)
        if not index.is_file():
            return HTMLResponse(_NOT_BUILT, 503 if request.url.path != "/" else 200)
        return FileResponse(index, headers={"cache-control": "no-cache"})

    async def file(request: Request) -> Response:
        """A file of the build; anything else is the page."""
        if not static.is_dir():
            return await page(request)
        try:
            return await files.get_response(request.path_params["path"], request.scope)
        except HTTPException as error:
            if error.status_code != 404:
                raise
            return await page(request)

    files = StaticFiles(directory=static, check_dir=False)
    return [Route("/", page), Route("/{path:path}", file)]
