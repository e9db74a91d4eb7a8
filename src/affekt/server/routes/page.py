"""The page, from the package alone, and the engine that runs models in it, from the cache."""

from __future__ import annotations

import mimetypes
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from affekt.server.errors import ApiError
from affekt.web.browser import FILES, browser_runtime
from affekt.web.site import PAGE, STATIC

router = APIRouter(include_in_schema=False)

# What the system's table of types may lack; browsers run nothing of another type.
for _kind, _suffix in (("application/wasm", ".wasm"), ("text/javascript", ".mjs")):
    mimetypes.add_type(_kind, _suffix)


class PageFiles(StaticFiles):
    """Files that browsers keep, and ask for each time whether they have changed."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Return a file, or that it has not changed."""
        response = super().file_response(*args, **kwargs)
        response.headers.setdefault("cache-control", "no-cache")
        return response


def page_files() -> PageFiles:
    """Return the files under ``/static/``."""
    return PageFiles(directory=STATIC, check_dir=False)


@router.get("/")
async def page() -> Response:
    """Return the page itself."""
    file = STATIC / PAGE
    if not file.is_file():
        raise ApiError(404, "this installation has no page", "not_found")
    return FileResponse(file, headers={"cache-control": "no-cache"})


@router.api_route("/runtime/{name}", methods=["GET", "HEAD"])
async def engine(name: str) -> Response:
    """Return a file of the engine, which `affekt serve --on-device` has fetched."""
    folder = browser_runtime()
    if folder is None or name not in FILES:
        raise ApiError(404, "the engine for browsers is not installed here", "not_found")
    return FileResponse(folder / name, headers={"cache-control": "no-cache"})


@router.get("/favicon.ico")
async def icon() -> Response:
    """Browsers request it on their own."""
    return Response(status_code=204)
