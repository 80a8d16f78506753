"""The files beside the pages: style, script, icons. All are read at the start."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from importlib.resources import files

from attrs import frozen
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response


@frozen
class StaticFile:
    """A file.

    Attributes:
        content: Its bytes.
        kind: Its media type.
        tag: What a browser that has it asks with.
    """

    content: bytes
    kind: str
    tag: str


def read_static_files() -> dict[str, StaticFile]:
    """Return all files by name; blocks."""
    return {
        each.name: _file(each.name, each.read_bytes())
        for each in files("hive.web").joinpath("static").iterdir()
        if each.is_file()
    }


def _file(name: str, content: bytes) -> StaticFile:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return StaticFile(content, kind, f'"{hashlib.sha256(content).hexdigest()[:16]}"')


@frozen
class StaticFiles:
    """Answers requests for files.

    Attributes:
        files: The files by name.
    """

    files: Mapping[str, StaticFile]

    async def show(self, request: Request) -> Response:
        """Return a file, or that the browser has it already."""
        return self._answer(request, request.path_params["name"])

    async def worker(self, request: Request) -> Response:
        """Return the script that shows notifications: from the top it may open any page."""
        return self._answer(request, "worker.js")

    def _answer(self, request: Request, name: str) -> Response:
        found = self.files.get(name)
        if found is None:
            raise HTTPException(404)
        headers = {"etag": found.tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers=headers)
        return Response(found.content, media_type=found.kind, headers=headers)
