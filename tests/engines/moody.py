"""A small server that misbehaves on order: what the tests of engines that ask servers have in common."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any

KEY = "secret-key-of-the-test"

Answer = bytes | dict[str, Any]
Spoken = tuple[str, dict[str, Any], Callable[[], Answer]]  # what moods go by, what was asked, the good answer


class Moody(ThreadingHTTPServer):
    """Answers each POST with what `understand` makes of its path, headers and body; before that, once each, with what
    `moods` says for that text: a status (429 with Retry-After), `garbage`, `hang`, `drop`, `drip` (a byte at a time),
    `packed` (what claims to be gzip), an answer in bytes, or (status, bytes) in which KEY stands for the key sent.

    `listed`: what GET gives by its path, 404 for others. `bodies`, `paths`, `keys`: what was asked. `most`: at once.
    """

    daemon_threads = True

    def __init__(self, understand: Callable[[str, Any, bytes], Spoken]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.understand = understand
        self.moods: dict[str, list[Any]] = {}
        self.listed: dict[str, Any] = {"/v1/models": {"data": [{"id": "m"}]}}
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.keys: set[str | None] = set()
        self.retry_after = "0.3"
        self.now = self.most = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Moody

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        found = self.server.listed.get(self.path)
        self._send(404 if found is None else 200, found or {"detail": "Not Found"})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        text, body, good = self.server.understand(self.path, self.headers, raw)
        with self.server.lock:
            self.server.paths.append(self.path)
            self.server.bodies.append(body)
            self.server.keys.add(self.headers["Authorization"])
            moods = self.server.moods.get(text, [])
            mood = moods.pop(0) if moods else None
            self.server.now += 1
            self.server.most = max(self.server.most, self.server.now)
        time.sleep(0.02)
        with self.server.lock:
            self.server.now -= 1
        self._answer(good, mood)

    def _answer(self, good: Callable[[], Answer], mood: Any) -> None:
        if mood == "hang":
            time.sleep(1.0)
        elif mood == "drop":
            self.close_connection = True
        elif mood == "garbage":
            self._send(200, b"<html>gateway</html>")
        elif mood == "drip":
            self._drip()
        elif mood == "packed":
            self._send(200, b"no gzip", {"Content-Encoding": "gzip"})
        elif isinstance(mood, bytes):
            self._send(200, mood)
        elif isinstance(mood, tuple):
            self._send(mood[0], mood[1].replace(b"KEY", self.headers["Authorization"].encode()))
        elif mood is not None:
            self._send(mood, {"error": {"message": f"no, {self.headers['Authorization']}"}})
        else:
            self._send(200, good())

    def _drip(self) -> None:
        """10 s of an answer that never pauses for long."""
        self.send_response(200)
        self.send_header("Content-Length", "200")
        self.end_headers()
        for _ in range(200):
            try:
                self.wfile.write(b"x")
            except OSError:  # the engine has left
                return
            time.sleep(0.05)

    def _send(self, status: int, body: Answer, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", self.server.retry_after)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def serving(understand: Callable[[str, Any, bytes], Spoken]) -> Iterator[Moody]:
    moody = Moody(understand)
    thread = threading.Thread(target=moody.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield moody
    moody.shutdown()
    moody.server_close()


def nobody() -> str:
    """The address of no server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"
