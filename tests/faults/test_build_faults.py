"""Whole builds, all stages, under what disks, hands, clocks and networks do: each ends as the undisturbed one did."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.sameness import changed, committed, same_dataset, unnamed
from benchmarks.tonal.world import environment
from kespeechchat.store.commit import list_commits
from kespeechchat.store.local import LocalFolder
from kespeechchat.store.opening import open_store
from tests.store.s3_proxy import DELAY, FORGET, HANG, REFUSE, Fault, writes

pytestmark = pytest.mark.faults
YEAR = 365 * 86_400.0


@pytest.fixture
def copy(undisturbed, tmp_path) -> Path:
    """The finished build, to be harmed."""
    return shutil.copytree(undisturbed, tmp_path / "copy")


def test_a_disk_that_fills_up_ends_the_build_in_a_line_and_the_same_command_goes_on(world, kesc, undisturbed, tmp_path):
    root, before, told = tmp_path / "root", {}, []
    for room in (4, 30, 60):  # writes that each of these builds has room for
        assert kesc(world.command(root, "--inline"), full_at=room) != 0
        told.append(re.search(rf"^kesc: .*{root}/(\S+): cannot be written: No space left on device", kesc.said, re.M))
        assert told[-1], kesc.said
        assert "Traceback" not in kesc.said
        assert not changed(before, before := committed(str(root)))
        assert not list(root.rglob("*.tmp")), "a write that failed left its bytes on the full disk"
    assert kesc(world.command(root, "--inline")) == 0, kesc.said
    assert not changed(before, committed(str(root)))
    assert same_dataset(str(root), str(undisturbed)) == []
    print("\nfull at " + ", ".join(t[1].rsplit("/", 1)[0] for t in told))


def _record(root: Path, unit: str, number: int = 0) -> Path:
    return sorted((root / unit / "commits").glob("shard-*.g0.json"))[number]


def _hash(root: Path, key: str) -> str:
    record = (root / key).read_bytes()
    return hashlib.sha256(record + (root / json.loads(record)["file"]).read_bytes()).hexdigest()


def _edit(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_torn_data_and_records_edited_by_hand_are_found_named_and_made_again(world, kesc, undisturbed, copy):
    store = LocalFolder(str(copy))
    data = copy / json.loads(_record(copy, "watermark", 1).read_text())["file"]
    data.write_bytes(data.read_bytes()[:-100])
    counts = json.loads(_record(copy, "spoken").read_text())["counts"]
    counts["spoken"]["rejected"] = {"another_reason": sum(counts["spoken"]["rejected"].values())}
    _edit(_record(copy, "spoken"), counts=counts)
    _edit(_record(copy, "clips"), engines={"clips.speaker": {"model": "another"}})
    _record(copy, "measure").write_text("{")
    shutil.copy(_record(copy, "gate", 1), _record(copy, "gate", 0))
    harmed = ("watermark", "spoken", "clips", "measure", "gate")
    sound = {key: has for key, has in committed(str(undisturbed)).items() if key.split("/")[0] not in harmed}
    assert kesc(["verify", "--root", str(copy)]) == 1
    for told in (
        rf"{data}: its sha256 is not the one in its commit record",
        r"spoken/commits/\S+: not the commit record that was written",
        r"clips/commits/\S+: not the commit record that was written",
        r"measure/commits/\S+: not a commit record",
        r"gate/commits/\S+: the commit record of gate shard-\S+ under another name",
    ):
        assert re.search(told, kesc.said), f"{told} is not told in:\n{kesc.said}"
    assert kesc(world.command(copy, "--inline")) == 0, kesc.said
    assert same_dataset(str(copy), str(undisturbed)) == []
    assert not changed(sound, {key: _hash(copy, key) for key in sound})
    assert max(list_commits(store, "watermark").committed.values()) == 1  # the torn shard's second generation


def test_a_clock_that_jumps_by_up_to_a_year_changes_nothing(world, undisturbed, tmp_path):
    words = [sys.executable, "-m", "kespeechchat", *world.command(tmp_path / "root", "--inline")]
    done = subprocess.run(words, env=environment(clock=YEAR), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert same_dataset(str(tmp_path / "root"), str(undisturbed)) == []


def test_two_builds_on_one_root_at_once_end_well_and_commit_each_shard_once(world, undisturbed, tmp_path):
    root = tmp_path / "root"
    words = [sys.executable, "-m", "kespeechchat", *world.command(root, "--inline")]
    both = [subprocess.Popen(words, env=environment(slow=0.02), stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [build.communicate()[1] for build in both]
    assert [build.returncode for build in both] == [0, 0], said
    assert same_dataset(str(root), str(undisturbed)) == []
    assert all(re.search(r"\.g0\.json$", key) for key in committed(str(root)))
    assert len(committed(str(root))) == len(committed(str(undisturbed)))
    assert unnamed(str(root)) == []


def test_an_object_store_that_fails_now_and_then_gives_the_same_dataset(
    world, kesc, undisturbed, s3_root, proxy, monkeypatch
):
    monkeypatch.setenv("KESC_STORE_PATIENCE", "15")
    proxy.faults = [
        Fault(REFUSE, 3, writes("/data/")),
        Fault(FORGET, 4, writes("/commits/")),
        Fault(DELAY, 3, writes("/commits/")),
        Fault(HANG, 1, writes("/watermark/commits/")),
        Fault(HANG, 1, writes("?delete")),
        Fault(REFUSE, 3, lambda request: request.method == "GET"),
        Fault(FORGET, 2, writes("/attempts/")),
    ]
    assert kesc(world.command(s3_root, "--inline")) == 0, kesc.said
    assert all(fault.met == fault.times for fault in proxy.faults), proxy.faults
    before = committed(s3_root)
    assert set(proxy.deliver()) == {412}  # what the client gave up on arrives now: all of it is there already
    assert committed(s3_root) == before
    assert same_dataset(s3_root, str(undisturbed)) == []
    assert unnamed(s3_root) == []


@pytest.mark.parametrize("kind", [REFUSE, HANG])
def test_an_object_store_that_fails_for_good_ends_the_build_in_a_line(world, kesc, s3_root, proxy, monkeypatch, kind):
    monkeypatch.setenv("KESC_STORE_PATIENCE", "3")
    open_store(s3_root).put("warm", b"")
    proxy.faults = [Fault(kind, 10**9, writes("/ingest/data/"))]
    assert kesc(world.command(s3_root, "--inline")) != 0
    assert re.search(rf"^kesc: .*{s3_root}/ingest/data/\S+: .* then run the same command again", kesc.said, re.M)
    assert "Traceback" not in kesc.said
