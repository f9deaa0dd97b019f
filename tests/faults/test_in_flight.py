"""Several shards in flight in one worker: a server of completions answers only once it is asked for two of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from benchmarks.recorded import fill, questions, recipe
from kespeechchat.config.load import load_pipeline
from kespeechchat.execution.driver import build
from kespeechchat.execution.progress import Progress
from kespeechchat.state.build_state import BuildState
from kespeechchat.store.opening import open_store

pytestmark = pytest.mark.faults
QUESTION = "How far is it from here to the sea, and can I walk there?"


class Patient(BaseHTTPRequestHandler):
    """Answers a completion once the other shard's request has come too."""

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._send({"data": [{"id": "m"}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.both.wait(90)  # seconds; BrokenBarrierError, and no answer, where no second one comes
        message = {"content": json.dumps({"question": QUESTION})}
        self._send({"choices": [{"message": message, "finish_reason": "stop"}], "usage": {"completion_tokens": 9}})

    def _send(self, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Patient)
    server.daemon_threads, server.both = True, threading.Barrier(2)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("address", ["local", "ray"])
def test_one_worker_asks_for_two_shards_at_once(tmp_path, quickstart, url, address):
    sets = [
        f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 10)}}}]",
        f"engines.llm.gemma={{use: openai, url: '{url}', model: m, retries: 0, timeout: 120}}",
        "resources.rewrite={num_cpus: 0.1, shards_in_flight: 2}",
        "stages.rewrite.candidates=1",
        "stages.rewrite.by_rule=false",  # every row asks the server
    ]
    file = questions(tmp_path / "questions.jsonl", 2)
    pipeline = load_pipeline(quickstart, tuple(sets), inputs=[file], root=str(tmp_path / "root"))
    store = open_store(pipeline.root)
    asked = {"instruction": "Tell me how far the sea is.", "input": "", "language": "en"}
    fill(pipeline, store, ["ingest"], lambda order: [{**asked, "id": f"q-{order.key.shard}"}])
    assert build(pipeline, Progress(quiet=True), ["rewrite"], address).ok
    build_state = BuildState(pipeline, store)
    assert len(build_state.states("rewrite")) == 2
    assert build_state.complete("rewrite")
