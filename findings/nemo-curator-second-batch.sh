#!/usr/bin/env bash
# NeMo Curator 1.4.0: a synthetic stage with the library's own asynchronous client answers the first batch of a worker and
# fails the second with "Event loop is closed", where the server keeps its connections open, as vLLM's and others do.
#
# `BaseSyntheticStage.process` (and every stage that derives from it) runs each batch in a new event loop, while
# `AsyncOpenAIClient` keeps one HTTP client, whose open connections belong to the loop before. Its retries look for
# "connection" in the error's text, which is not there, so it is raised at once, and with it the pipeline ends. The batch
# after the failed one is answered again, for by then those connections are gone.
#
# Why it matters: who generates dialogue text with it gives each worker many batches. A trial with one batch is all well,
# and the long run ends at its second. (A server that closes its connections hides it; a client per batch avoids it.)
#
# Exits 0 while the behaviour stands, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
# The library is installed without what it declares, and beside it what these modules of it import: torch, Ray's dashboard
# and the rest are gigabytes, and have no part in this.
"$folder/venv/bin/pip" install --quiet \
    'openai==3.57.0' 'pandas==3.1.1' 'pyarrow==26.0.1' 'loguru==0.7.3' 'ray[default,data]==2.60.0' 'cosmos-xenna==0.2.0' \
    'fsspec==2026.9.0' 'absl-py==2.5.1'
"$folder/venv/bin/pip" install --quiet --no-deps 'nemo-curator==1.4.0'
"$folder/venv/bin/python" - <<'PYTHON'
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

import pandas as pd
from nemo_curator.models.client.openai_client import AsyncOpenAIClient
from nemo_curator.stages.synthetic.nemotron_cc.base import BaseSyntheticStage
from nemo_curator.tasks import DocumentBatch


class Server(BaseHTTPRequestHandler):
    """Answers every chat request with "Yes.", and keeps the connection."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
        answer = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
server.daemon_threads, server.handle_error = True, lambda *_: None
threading.Thread(target=server.serve_forever, daemon=True).start()

client = AsyncOpenAIClient(base_url=f"http://127.0.0.1:{server.server_address[1]}/v1", api_key="none")
stage = BaseSyntheticStage(
    prompt="{document}", input_field="instruction", output_field="text", client=client, model_name="m"
)
stage.setup()
print("nemo-curator", version("nemo-curator"), "with openai", version("openai"))
seen = []
for number in (1, 2):
    rows = pd.DataFrame({"instruction": [f"Question {n}?" for n in range(4)]})
    try:
        answered = stage.process(DocumentBatch(data=rows, dataset_name="questions"))
        seen.append(f"{len(answered.to_pandas())} rows answered")
    except RuntimeError as error:
        seen.append(f"RuntimeError: {error}")
    print(f"batch {number}: expected 4 rows answered, seen {seen[-1]}")
sys.exit(0 if seen == ["4 rows answered", "RuntimeError: Event loop is closed"] else 1)
PYTHON
