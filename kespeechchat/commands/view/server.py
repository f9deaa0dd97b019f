"""The viewer's pages over HTTP: each is an address, and all of it is made here from the index and the shards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from kespeechchat.commands.view.guard import Guard
from kespeechchat.commands.view.marks import Marks
from kespeechchat.commands.view.pages import HERE, Pages
from kespeechchat.commands.view.query import BadQuery, Index, Query, TookTooLong
from kespeechchat.commands.view.sounds import Sounds
from kespeechchat.listening.dialogues import Dialogues
from kespeechchat.listening.page import ASSETS
from kespeechchat.store.interface import StoreError
from kespeechchat.store.shards import CorruptShard

_ASSETS = {
    "page.css": (ASSETS / "page.css", "text/css"),
    "view.css": (HERE / "view.css", "text/css"),
    "view.js": (HERE / "view.js", "text/javascript"),
}
_LONGEST_MARK = 2_000  # bytes
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Mark(BaseModel):
    """What a page sends when a take is marked."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str
    round: int
    marked: bool


class Viewer:
    """The application: `index` says what there is, `sounds` what it sounds like, `dialogues` where it comes from, and
    `marks` keeps what the user marks."""

    def __init__(self, index: Index, sounds: Sounds, dialogues: Dialogues, marks: Marks, pages: Pages) -> None:
        self._index, self._sounds, self._dialogues = index, sounds, dialogues
        self._marks, self._pages = marks, pages

    def app(self, token: str, port: int) -> Guard:
        """As ASGI, for requests to this port that bear the token."""
        routes = [
            Route("/", self._list),
            Route("/dialogue", self._dialogue),
            Route("/audio", self._audio),
            Route("/marks", self._mark, methods=["POST"]),
            *(Route(f"/{name}", self._asset) for name in _ASSETS),
        ]
        problems = {HTTPException: self._http_problem, BadQuery: self._problem, TookTooLong: self._problem}
        problems |= {StoreError: self._problem, CorruptShard: self._problem}
        return Guard(Starlette(routes=routes, exception_handlers=problems), token, port)

    def _list(self, request: Request) -> Response:
        query = Query.parse(_given(request), self._index.heads)
        page = self._index.page(query)
        marked = self._marks.of((line["id"], line["round"]) for line in page.lines)
        return HTMLResponse(self._pages.takes(query, page, marked))

    def _dialogue(self, request: Request) -> Response:
        id_ = _given(request).get("id", "")
        takes = self._index.takes(id_)
        if not takes:
            raise HTTPException(404, f"no row of the index has the id {id_[:200]!r}")
        marked = self._marks.of((take["id"], take["round"]) for take in takes)
        spoken = [take["shard"] for take in takes if take["user_voice"] is not None]
        settled = next(iter(self._dialogues.of(spoken[0], [id_]) if spoken else ()), None)
        return HTMLResponse(self._pages.dialogue(takes, settled, marked))

    def _audio(self, request: Request) -> Response:
        given = _given(request)
        takes = [t for t in self._index.takes(given.get("id", "")) if str(t["round"]) == given.get("round", "0")]
        role = given.get("role", "user")
        data = self._sounds.wav(takes[0]["shard"], takes[0]["round"], takes[0]["id"], role) if takes else None
        if data is None:
            raise HTTPException(404, "ROOT has no speech of this turn")
        return ranged(data, request.headers.get("range"), "audio/wav")

    async def _mark(self, request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _LONGEST_MARK:
                raise HTTPException(413, f"a mark has {_LONGEST_MARK:,} bytes at most")
        try:
            mark = Mark.model_validate_json(body)
        except ValidationError as error:
            raise HTTPException(400, f"not a mark: {error.errors()[0]['msg']}") from None
        await run_in_threadpool(self._keep, mark)
        return JSONResponse({"marked": mark.marked})

    def _keep(self, mark: Mark) -> None:
        if not any(take["round"] == mark.round for take in self._index.takes(mark.id)):
            raise HTTPException(404, f"no row of the index has the id {mark.id[:200]!r} in round {mark.round}")
        self._marks.put(mark.id, mark.round, mark.marked)

    def _asset(self, request: Request) -> Response:
        file, media_type = _ASSETS[request.url.path.lstrip("/")]
        return Response(file.read_bytes(), media_type=media_type)

    def _http_problem(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return HTMLResponse(self._pages.problem(str(error.detail)), error.status_code)

    def _problem(self, request: Request, error: Exception) -> Response:
        status = 400 if isinstance(error, BadQuery) else 503 if isinstance(error, TookTooLong) else 500
        return HTMLResponse(self._pages.problem(str(error)), status)


def _given(request: Request) -> Mapping[str, str]:
    return dict(request.query_params)


def ranged(data: bytes, wanted: str | None, media_type: str) -> Response:
    """`data`, or the one range of it that is wanted; a browser asks for ranges in order to jump in a sound."""
    headers: dict[str, Any] = {"accept-ranges": "bytes"}
    match = _RANGE.fullmatch(wanted or "")
    if match is None or not (match[1] or match[2]):
        return Response(data, media_type=media_type, headers=headers)
    if match[1]:
        start, end = int(match[1]), min(int(match[2] or len(data)), len(data) - 1)
    else:  # the last so many bytes
        start, end = max(0, len(data) - int(match[2])), len(data) - 1
    if start >= len(data) or start > end:
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{len(data)}"})
    headers["content-range"] = f"bytes {start}-{end}/{len(data)}"
    return Response(data[start : end + 1], 206, media_type=media_type, headers=headers)
