"""ROOT in an object store, against a real S3 server."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kespeechchat.records import SCHEMAS, Outcome
from kespeechchat.store import commit as c
from kespeechchat.store.objects import AlreadyExists, StoreError, open_store
from kespeechchat.store.remote import RemoteStore
from kespeechchat.store.shards import read_table, to_parquet
from tests.store.s3_server import BUCKET, KEY, SECRET, S3Server

FP = "0123456789ab"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = S3Server(tmp_path_factory.mktemp("s3") / "weed")
    yield server
    server.close()


@pytest.fixture
def root(server, monkeypatch) -> str:
    """A fresh prefix of the bucket, and the environment that leads to it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return f"s3://{BUCKET}/{secrets.token_hex(6)}"


def _record(attempt: str) -> c.CommitRecord:
    return c.CommitRecord("committed", "gate", 7, FP, 0, attempt, counts={"gate": c.Counts(1, 1)})


def _data() -> bytes:
    return to_parquet([("ingest", Outcome({"id": "s-1", "instruction": "Hi"}))], SCHEMAS["ingest"])


def test_of_many_racing_creators_one_wins(root):
    store = open_store(root)

    def attempt(n: int) -> bool:
        try:
            store.create("x/record.json", str(n).encode())
            return True
        except AlreadyExists:
            return False

    with ThreadPoolExecutor(8) as pool:
        wins = list(pool.map(attempt, range(24)))
    assert sum(wins) == 1
    assert store.get("x/record.json") == str(wins.index(True)).encode()


def test_put_get_list_delete(root):
    store = open_store(root)
    with pytest.raises(FileNotFoundError, match="s/a"):
        store.get("s/a")
    for key in ("s/b", "s/a", "s/deep/c", "st/other"):
        store.put(key, b"1")
    store.put("s/a", b"22")
    assert list(store.list("s")) == [("s/a", 2), ("s/b", 1), ("s/deep/c", 1)]
    store.delete("s/a")
    store.delete("s/a")
    assert [key for key, _ in store.list("s")] == ["s/b", "s/deep/c"]
    assert list(store.list("nothing")) == []


def test_a_listing_of_more_than_a_page_is_whole(root):
    store = open_store(root)
    keys = [c.record_key("gate", c.ShardKey(n, FP)) for n in range(1_203)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put(key, b"{}"), keys))
    assert [key for key, _ in store.list("gate/commits")] == keys
    assert len(c.list_commits(store, "gate").committed) == len(keys)


def test_the_loser_of_a_race_deletes_its_own_data(root):
    store = open_store(root)
    first = c.commit(store, "gate", _record("a" * 16), _data())
    assert c.commit(store, "gate", _record("b" * 16), _data()) == first
    assert [key for key, _ in store.list("gate/data")] == [first.file]
    assert read_table(store, "gate", first)["id"].to_pylist() == ["s-1"]


class _Forgetful:
    """A proxy that passes everything on, but drops the first answer to a put of a commit record."""

    def __init__(self, port: int) -> None:
        self._to, self.dropped = port, 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._to))
        asked: list[bytes] = []
        threading.Thread(target=self._copy, args=(client, server, asked), daemon=True).start()
        while answer := server.recv(1 << 16):
            if any(b"PUT /" in a and b"/commits/" in a for a in asked) and not self.dropped:
                self.dropped += 1
                break
            asked.clear()
            client.sendall(answer)
        for end in (client, server):
            end.shutdown(socket.SHUT_RDWR)  # close alone would wait for the thread that reads

    @staticmethod
    def _copy(client: socket.socket, server: socket.socket, asked: list[bytes]) -> None:
        try:
            while data := client.recv(1 << 16):
                asked.append(data)
                server.sendall(data)
        except OSError:
            return

    def close(self) -> None:
        self._listening.close()


def test_a_put_that_arrived_while_its_answer_was_lost_is_won(root, server, monkeypatch):
    proxy = _Forgetful(server.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    store = open_store(root)
    record = c.commit(store, "gate", _record("a" * 16), _data())
    proxy.close()
    assert proxy.dropped == 1
    assert record.attempt == "a" * 16
    assert read_table(store, "gate", record).num_rows == 1


def test_credentials_come_from_the_environment_and_wrong_ones_are_told(root, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreError, match="credentials in the environment"):
        open_store(root).put("x", b"1")
    with pytest.raises(StoreError, match="belong in the environment"):
        open_store(f"s3://{KEY}:{SECRET}@{BUCKET}/x")


def test_a_store_that_overwrites_instead_of_refusing_is_refused(root):
    class Overwrites(RemoteStore):
        """What a store does that ignores If-None-Match."""

        def _create(self, key: str, data: bytes) -> None:
            self.put(key, data)

    with pytest.raises(StoreError, match="conditional puts"):
        c.commit(Overwrites(root), "gate", _record("a" * 16), _data())
    assert c.list_commits(open_store(root), "gate").committed == {}


def test_a_build_on_an_object_store(root, tmp_path, quickstart):
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(f'{{"instruction": "How high is hill number {n}?"}}\n' for n in range(4)))

    def kesc(*words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "kespeechchat", *words]
        return subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))

    ask = ["build", str(quickstart), "--root", root, "--input", str(file), "--stage", "ingest", "--inline"]
    ask += ["--set", "instructions.shard_size=2"]
    first = kesc(*ask)
    assert first.returncode == 0, first.stderr
    assert "2 shards built" in first.stdout
    assert "2 shards built" not in kesc(*ask).stdout
    assert len(c.list_commits(open_store(root), "ingest").committed) == 2
    assert kesc("verify", "--root", root).returncode == 0
