"""Who may ask the viewer: a page of its own, on this machine, that knows the token. Everyone else is refused.

A web page that someone has open could send requests to 127.0.0.1 too. It does not know the token, its requests bear its
own Origin, and a name that it points at 127.0.0.1 (DNS rebinding) is not among the hosts.
"""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_ALWAYS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # another site never learns the token
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Lets `app` see what is allowed, without the token that its paths begin with."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token.encode()
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in _ALWAYS.items()]
                message["headers"] = [*message.get("headers", []), *own]
            await send(message)

        if scope["type"] != "http":
            return  # a WebSocket: closed without an answer
        if (why := self._refusal(scope)) is not None:
            await PlainTextResponse(f"kesc view: {why[1]}\n", why[0])(scope, receive, with_headers)
            return
        rest = scope["path"].lstrip("/").partition("/")[2]
        await self._app({**scope, "path": f"/{rest}", "root_path": ""}, receive, with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and reason."""
        headers = Headers(scope=scope)
        if headers.getlist("host") not in [[host] for host in self._hosts]:
            return 403, "this server answers to 127.0.0.1 only"
        origins = headers.getlist("origin")
        if any(origin not in {f"http://{host}" for host in self._hosts} for origin in origins):
            return 403, "a page of another site may not ask"
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return 403, "a page of another site may not ask; open the address itself, in a new tab"
        given, slash, _ = scope["path"].lstrip("/").partition("/")
        if not hmac.compare_digest(given.encode(), self._token):
            return (
                403,
                "wrong token; open the address that kesc view printed, or give it this one: kesc view --page URL",
            )
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, "GET only"
        if scope["method"] == "POST" and (not origins or headers.get("content-type") != "application/json"):
            return 403, "only a page of the viewer may change marks"
        if not slash:
            return 404, "no such page"
        return None
