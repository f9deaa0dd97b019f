"""The viewer's pages over HTTP: who is let in, what they show, and that nothing of the dataset is HTML."""

from __future__ import annotations

import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from html import unescape
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
import soundfile
from starlette.testclient import TestClient

from kespeechchat.commands.view import check_page, index_file, page_of, serve
from kespeechchat.commands.view.index import update
from kespeechchat.commands.view.marks import Marks, marks_file
from kespeechchat.commands.view.pages import Pages
from kespeechchat.commands.view.query import Index
from kespeechchat.commands.view.server import Viewer, ranged
from kespeechchat.commands.view.sounds import Sounds
from kespeechchat.config.load import ConfigError
from kespeechchat.export.audio_files import decoded, wav_of
from kespeechchat.listening.dialogues import Dialogues
from kespeechchat.state.finished_rows import FinishedRows
from tests.commands.view.builds import HOSTILE, QUICKSTART, TEXT, spoken_build, state_of

pytestmark = pytest.mark.slow

TOKEN, PORT = "t0ken", 8741
HOST = f"http://127.0.0.1:{PORT}"


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patches:
        return spoken_build(tmp_path_factory.mktemp("build"), QUICKSTART, patches)


@pytest.fixture
def client(ground, tmp_path) -> TestClient:
    state, file = state_of(ground), tmp_path / "i.sqlite"
    update(state, file)
    index = Index(file)
    marks, pages = Marks(marks_file(file)), Pages(state.pipeline, index)
    viewer = Viewer(index, Sounds(state), Dialogues(state), marks, pages)
    return TestClient(viewer.app(TOKEN, PORT), base_url=HOST)


def test_the_list_and_a_dialogue_show_what_the_build_made(client):
    page = client.get(f"/{TOKEN}/")
    assert page.status_code == 200 and "d00" in page.text and "12 <span" in page.text
    page = client.get(f"/{TOKEN}/?status=rejected&reason=error_rate&sort=error_rate&down=1")
    assert "<ins>" in page.text and "12 <span" in page.text
    one = client.get(f"/{TOKEN}/dialogue?id=d01").text
    assert one.index("Round 1") < one.index("First round") and "Where it comes from" in one
    assert client.get(f"/{TOKEN}/dialogue?id=none").status_code == 404
    assert client.get(f"/{TOKEN}/?text=nothing+says+this").text.count("<article") == 0


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 403),
        ("/wrong/", {}, 403),
        (f"/{TOKEN[:-1]}/", {}, 403),
        (f"/{TOKEN}é/", {}, 403),
        (f"/{TOKEN}", {}, 404),
        (f"/{TOKEN}/", {"host": "evil.example"}, 403),
        (f"/{TOKEN}/", {"host": f"evil.example:{PORT}"}, 403),
        (f"/{TOKEN}/", {"host": "127.0.0.1"}, 403),
        (f"/{TOKEN}/", {"host": f"127.0.0.1:{PORT}.evil.example"}, 403),
        (f"/{TOKEN}/", {"origin": "http://evil.example"}, 403),
        (f"/{TOKEN}/", {"origin": "null"}, 403),
        (f"/{TOKEN}/", {"sec-fetch-site": "cross-site"}, 403),
        (f"/{TOKEN}/", {"host": f"localhost:{PORT}"}, 200),
        (f"/{TOKEN}/", {"origin": HOST, "sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_only_who_knows_the_token_and_asks_this_machine_is_let_in(client, path, headers, status):
    answer = client.get(path, headers=headers)
    assert answer.status_code == status
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert TOKEN not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "../pipeline.json",
        "..%2fpipeline.json",
        "%2e%2e%2fpipeline.json",
        "..%5c..%5cpipeline.json",
        "view.css/../../server.py",
        "page.css%00",
        "audio?id=../../pipeline.json&role=user",
        "audio?id=d00&round=0&role=../user",
        "audio?id=d00&round=-1",
        "dialogue?id=..%2f..%2fpipeline.json",
        "audio/d00",
    ],
)
def test_no_path_leads_out_of_the_pages(client, path):
    answer = client.get(f"/{TOKEN}/{path}")
    assert answer.status_code in (403, 404)  # the client itself takes `../` away, and so the token
    assert "max_error" not in answer.text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_nothing_but_looking_is_allowed(client, method):
    assert client.request(method, f"/{TOKEN}/").status_code == 405
    assert client.post(f"/{TOKEN}/", headers={"origin": HOST}, json={}).status_code == 405


OUR_TAGS = {
    *(
        "html",
        "head",
        "meta",
        "link",
        "title",
        "script src",
        "body",
        "a",
        "div",
        "header",
        "p",
        "button",
        "form",
        "label",
    ),
    *("input", "select", "option", "details", "summary", "fieldset", "legend", "main", "h1", "h2", "span", "nav"),
    *("article", "audio", "b", "i", "del", "ins", "dl", "dt", "dd", "code", "dialog", "kbd"),
}


class Tags(HTMLParser):
    """The names of a page's tags; a script and what could run one are told apart."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    @classmethod
    def of(cls, page: str) -> set[str]:
        parser = cls()
        parser.feed(page)
        return parser.found

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        own = [name for name, _ in attributes if name.startswith("on") or name in ("style", "srcdoc")]
        source = " src" if tag == "script" and any(name == "src" for name, _ in attributes) else ""
        self.found.add(" ".join([tag + source, *own]))


def test_text_of_the_dataset_is_never_html(client):
    hostile = quote(TEXT)
    for path in (f"dialogue?id={HOSTILE}", "?status=any&text=script", f"?text={hostile}&voice={hostile}&id={hostile}"):
        answer = client.get(f"/{TOKEN}/{path}")
        assert answer.status_code == 200
        shown = unescape(re.sub(r"</?(?:del|ins)>", "", answer.text))
        assert TEXT in shown  # as text, and so nowhere as HTML:
        assert Tags.of(answer.text) <= OUR_TAGS
    refused = client.get(f"/{TOKEN}/?sort={hostile}")
    assert refused.status_code == 400 and TEXT in unescape(refused.text) and "<img" not in refused.text


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("status=nonsense", "status='nonsense': no such status; there are kept, rejected, failed; any shows every row"),
        ("status=refused", "status='refused': write rejected"),
        ("reason=nonsense", "reason=nonsense: no such reason; there is error_rate"),
        ("language=fr", "language=fr: no such language; there is zh, en"),
        ("split=all", "split=all: no such split; there is train, dev, test"),
        ("stage=gates", "stage=gates: no such stage; there is "),
        ("round=7", "round=7: no such round; there is 0, 1"),
        ("partition=XXL", "partition=XXL: no such partition; there is XS"),
        ("sort=nonsense", "sort=nonsense: no such order; there are error_rate, seconds"),
        ("page=2", "page: no such filter; there are after, before"),
        ("after=x", "after=x: not a place"),
        ("after=nan~1", "after=nan~1: not a place"),
        ("down=maybe", "down=maybe: write down=1, or leave it out"),
        ("marked=0", "marked=0: write marked=1, or leave it out"),
        ("least_error_rate=low", "least_error_rate=low: write a number"),
        ("most_seconds=nan", "most_seconds=nan: write a number"),
    ],
)
def test_an_address_that_asks_for_nothing_that_there_is_says_what_there_is(client, ground, tmp_path, query, told):
    answer = client.get(f"/{TOKEN}/?{query}")
    assert answer.status_code == 400 and told in unescape(answer.text)
    index = Index(tmp_path / "i.sqlite")
    with pytest.raises(ConfigError, match="^--page: " + re.escape(told[:30])):
        check_page(index, f"?{query}")


@pytest.mark.parametrize("query", ["status=failed", "split=dev", "voice=none", "id=none", "text=none+of+them"])
def test_what_a_build_may_have_and_this_one_has_not_is_an_empty_page(client, query):
    answer = client.get(f"/{TOKEN}/?{query}")
    assert answer.status_code == 200 and "Nothing matches" in answer.text


@pytest.mark.parametrize("link", ["nonsense", "http://127.0.0.1:8741/abc/nonsense", "audio?id=d00", f"{HOST}/a/b/c"])
def test_a_link_that_is_none_of_the_viewers_is_told_before_anything_is_read(link):
    with pytest.raises(ConfigError, match=r"--page .*: not an address of the viewer; it ends in /, /\?FILTERS"):
        page_of(link)


def test_a_dialogue_that_this_build_lacks_is_told(ground, tmp_path):
    with pytest.raises(ConfigError, match="--page: id=d99: this build has no such row"):
        serve(state_of(ground), tmp_path / "i.sqlite", 0, print, print, "dialogue?id=d99")
    check_page(Index(tmp_path / "i.sqlite"), "dialogue?id=d00")
    check_page(Index(tmp_path / "i.sqlite"), "?round=1&status=any")


def test_audio_is_the_builds_own_and_comes_in_ranges(client, ground):
    state = state_of(ground)
    rows = FinishedRows(state.pipeline, ground.store, state)
    for row in list(rows)[:5]:
        speech = rows.audio(row)
        for turn in row["turns"]:
            at = f"/{TOKEN}/audio?id={row['id']}&round={row['round']}&role={turn['role']}"
            whole = client.get(at)
            assert whole.headers["content-type"] == "audio/wav" and whole.headers["accept-ranges"] == "bytes"
            assert whole.content == wav_of(decoded(speech[turn["role"]]), turn["sample_rate"])
            assert soundfile.info(io.BytesIO(whole.content)).frames == round(turn["seconds"] * turn["sample_rate"])
            part = client.get(at, headers={"range": "bytes=10-19"})
            assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert client.get(f"/{TOKEN}/audio?id=d00&round=1&role=user").status_code == 404  # kept in the first round


@pytest.mark.parametrize(
    ("wanted", "status", "body", "said"),
    [
        (None, 200, b"0123456789", None),
        ("bytes=0-", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=5-4", 416, b"", "bytes */10"),
        ("bytes=-", 200, b"0123456789", None),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("lines=0-1", 200, b"0123456789", None),
    ],
)
def test_ranges(wanted, status, body, said):
    answer = ranged(b"0123456789", wanted, "audio/wav")
    assert (answer.status_code, answer.body, answer.headers.get("content-range")) == (status, body, said)


def test_marks_are_kept_and_only_a_page_of_the_viewer_sets_them(client, tmp_path):
    mark = {"id": "d02", "round": 0, "marked": True}
    own = {"origin": HOST, "content-type": "application/json"}
    post = f"/{TOKEN}/marks"
    assert client.post(post, json=mark).status_code == 403  # no Origin: no page of ours
    assert client.post(post, json=mark, headers={"origin": "http://evil.example"}).status_code == 403
    assert client.post(post, content=json.dumps(mark), headers={**own, "content-type": "text/plain"}).status_code == 403
    for bad in ({}, mark | {"round": "0"}, mark | {"more": 1}, []):
        assert client.post(post, json=bad, headers=own).status_code == 400
    assert client.post(post, json=mark | {"id": "x" * 3000}, headers=own).status_code == 413
    assert client.post(post, json=mark | {"id": "none"}, headers=own).status_code == 404
    assert "d02" not in client.get(f"/{TOKEN}/?marked=1").text
    assert client.post(post, json=mark, headers=own).json() == {"marked": True}
    page = client.get(f"/{TOKEN}/?marked=1").text
    assert page.count("<article") == 1 and 'aria-pressed="true"' in page
    index_file("unused", tmp_path / "i.sqlite", again=True)
    assert not (tmp_path / "i.sqlite").exists() and Marks(tmp_path / "i.marks.sqlite").of([("d02", 0)])


def test_a_shard_that_is_gone_is_said_on_the_page(client, ground):
    (key, _), *_ = ground.store.list("gate/data")
    held = ground.store.get(key)
    ground.store.delete(key)
    answer = client.get(f"/{TOKEN}/dialogue?id=d00")
    ground.store.put(key, held)
    for mark, _ in list(ground.store.list("gate/commits")):
        if mark.endswith("corrupt.json"):
            ground.store.delete(mark)
    assert answer.status_code == 500 and "is missing though its commit record is there" in unescape(answer.text)


@pytest.mark.parametrize(
    ("link", "page"),
    [
        (f"{HOST}/abc/dialogue?id=a-1", "dialogue?id=a-1"),
        (f"{HOST}/abc/?status=any", "?status=any"),
        ("?status=any", "?status=any"),
        (f"{HOST}/abc", ""),
    ],
)
def test_a_colleagues_link_leads_to_the_own_page(link, page):
    assert page_of(link) == page


def test_what_is_not_installed_is_named(ground, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ConfigError, match=r"kesc view needs uvicorn; run `pip install 'kespeechchat\[view\]'`"):
        serve(state_of(ground), tmp_path / "i.sqlite", 0, print, print)


@pytest.mark.parametrize("sign, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_serves_until_it_is_stopped(ground, tmp_path, sign, code):
    own = [
        "view",
        "--root",
        ground.store.url,
        "--port",
        "0",
        "--index",
        str(tmp_path / "c.sqlite"),
        "--page",
        "?round=1",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "kespeechchat", *own], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    threading.Timer(60, process.kill).start()
    assert process.stdout is not None
    url = process.stdout.readline().split()[1]
    base, _, query = url.partition("?")
    port = int(base.split(":")[2].split("/")[0])
    assert query == "round=1" and len(base.split("/")[3]) >= 32
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(f"GET {base[base.index('/', 8) :]} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert line.recv(15) == b"HTTP/1.1 200 OK"
    with pytest.raises(OSError), socket.create_connection((_other_address(), port), timeout=2):
        pass
    taken = subprocess.run(
        [sys.executable, "-m", "kespeechchat", *own[:3], "--port", str(port)], capture_output=True, text=True
    )
    assert taken.returncode == 2 and f"--port {port}: is in use; take another one" in taken.stderr
    process.send_signal(sign)
    _, told = process.communicate(timeout=30)
    assert process.returncode == code and "Traceback" not in told
    assert code != 130 or "the viewer has ended" in told


def _other_address() -> str:
    """An address of this machine that is not the loopback's; where there is none, one that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return "192.0.2.1"
