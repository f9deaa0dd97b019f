"""A proxy between the product and a real S3 server that counts requests and, asked to, does what networks do.

Requests are passed on byte for byte, signature included. A `Fault` says of which requests how many are not:

    REFUSE   answered 500, never passed on
    ABSENT   answered 404 as where there is no such bucket
    HANG     never answered, never passed on
    FORGET   passed on, its answer dropped: the put succeeded, its acknowledgement is lost
    DELAY    the connection is cut at once, and the request passed on only by `deliver`: after the client gave up

`kill_at` kills a client at the N-th boundary of its writes: before the server has any of it, when it has half of the
body, and when it has all and has answered, but the client has not heard.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REFUSE, ABSENT, HANG, FORGET, DELAY = "refuse", "absent", "hang", "forget", "delay"
_WRITES = ("PUT", "POST", "DELETE")


@dataclass(frozen=True)
class Request:
    method: str
    path: str  # with its query
    headers: tuple[tuple[str, str], ...] = field(repr=False, default=())
    body: bytes = field(repr=False, default=b"")


@dataclass
class Fault:
    """`kind` befalls the next `times` requests for which `meets` holds."""

    kind: str
    times: int
    meets: Callable[[Request], bool] = lambda request: True
    met: int = 0


def writes(part: str) -> Callable[[Request], bool]:
    """Puts of keys that hold `part`, e.g. "/commits/"."""
    return lambda request: request.method in ("PUT", "POST") and part in request.path


class Proxy:
    def __init__(self, port: int) -> None:
        self.to, self.requests, self.faults, self.delayed = port, [], [], []
        self.boundaries: list[str] = []  # of writes, as they were reached
        self._kill_at: int | None = None
        self._victim: Callable[[], int] | None = None
        self._fatal: Callable[[Request], bool] = lambda request: True
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def kill_at(
        self,
        boundary: int | None,
        victim: Callable[[], int] | None = None,
        meets: Callable[[Request], bool] = lambda request: True,
    ) -> None:
        """SIGKILL to the process `victim()` at that boundary of writes for which `meets` holds, counted from here."""
        self.boundaries, self._kill_at, self._victim, self._fatal = [], boundary, victim, meets

    def deliver(self) -> list[int]:
        """Passes on what was delayed; the server's answers, which nobody waits for."""
        waiting, self.delayed = self.delayed, []
        return [self.pass_on(request)[0] for request in waiting]

    def fault_of(self, request: Request) -> str | None:
        with self._lock:
            self.requests.append(request)
            for fault in self.faults:
                if fault.met < fault.times and fault.meets(request):
                    fault.met += 1
                    return fault.kind
        return None

    def boundary(self, name: str, request: Request) -> bool:
        """Whether the client has just been killed here."""
        if request.method not in _WRITES or not self._fatal(request):
            return False
        with self._lock:
            killed = len(self.boundaries) == self._kill_at and self._victim is not None
            self.boundaries.append(f"{name} {request.method} {request.path.split('?')[0]}")
            if killed:
                os.kill(self._victim(), signal.SIGKILL)
            return killed

    def pass_on(self, request: Request, half: bool = False) -> tuple[int, str, list[tuple[str, str]], bytes]:
        """(status, reason, headers, body) of the server. `half`: sends half of the body and hangs up."""
        upstream = http.client.HTTPConnection("127.0.0.1", self.to, timeout=60)
        upstream.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers:
            upstream.putheader(name, value)
        upstream.endheaders(request.body[: len(request.body) // 2] if half else request.body)
        if half:
            upstream.close()
            return 0, "", [], b""
        answer = upstream.getresponse()
        body = answer.read()
        upstream.close()
        return answer.status, answer.reason, answer.getheaders(), body


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, tuple(self.headers.items()), body)
        match self.proxy.fault_of(request):
            case "refuse":
                return self._answer(500, "Internal Server Error", [], b"<Error><Code>InternalError</Code></Error>")
            case "absent":
                return self._answer(404, "Not Found", [], b"<Error><Code>NoSuchBucket</Code></Error>")
            case "hang":
                self.connection.recv(1)  # until the client hangs up
                return self._cut()
            case "delay":
                self.proxy.delayed.append(request)
                return self._cut()
            case "forget":
                self.proxy.pass_on(request)
                return self._cut()
        if self.proxy.boundary("before", request):
            return self._cut()
        if self.proxy.boundary("half of", request):
            self.proxy.pass_on(request, half=True)
            return self._cut()
        answer = self.proxy.pass_on(request)
        if self.proxy.boundary("after", request):
            return self._cut()
        return self._answer(*answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle

    def _answer(self, status: int, reason: str, headers: list[tuple[str, str]], body: bytes) -> None:
        kept = [(k, v) for k, v in headers if k.lower() not in ("transfer-encoding", "connection", "content-length")]
        length = dict((k.lower(), v) for k, v in headers).get("content-length", str(len(body)))
        length = length if self.command == "HEAD" else str(len(body))
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{k}: {v}" for k, v in kept), f"Content-Length: {length}"]
        if status == 204:
            lines.pop()
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Says nothing."""
