"""The whole flow on the real small models: in many processes, then in one, killed on the way; both must end alike."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import soundfile
import yaml

from kespeechchat.config.flow import STAGES
from kespeechchat.config.rounds import REPEATED
from kespeechchat.text.error_rate import edits_in
from tests.pages import check_page

ROOT = Path(__file__).parent.parent
PROFILE = ROOT / "pipelines" / "quickstart.yaml"
AGAIN = (
    "rewrite",
    "spoken",
    "blend",
    "voices",
    *(f"{s}{r}" for s in ("watermark", "measure", "gate") for r in ("", ".r1")),
)
pytestmark = pytest.mark.model


def _kesc(*words: object, **how: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kespeechchat", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=1800, **how)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> list[str]:
    """Options that shrink the quick start: three rows a language, two speakers a cell with two clips each, few
    candidates."""
    folder = tmp_path_factory.mktemp("small")
    options = []
    for language in ("zh", "en"):
        lines = (ROOT / "examples" / f"instructions.{language}.jsonl").read_text(encoding="utf-8").splitlines()
        file = folder / f"instructions.{language}.jsonl"
        file.write_text("\n".join([*lines[:3], "{ no json", lines[0]]) + "\n", encoding="utf-8")
        options += ["--input", str(file)]
    recipe = yaml.safe_load((ROOT / "examples" / "corpus.yaml").read_text(encoding="utf-8"))
    recipe["recordings"] = [r for r in recipe["recordings"] if r["id"][-1] in "12" or r["id"] == "en-mixed"]
    for recording in recipe["recordings"]:
        if recording["id"] != "en-mixed":
            del recording["clips"][2:]
    (folder / "corpus.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True), encoding="utf-8")
    for override in (
        f"speech.inputs=[{{path: {folder / 'corpus.yaml'}}}]",
        "stages.speakers.mining.splits.per_cell={}",
        "stages.speakers.mining.min_clips=2",
        "stages.speakers.mining.pairs_per_two_clips=1",
        "stages.blend.blending.users={train: 4}",
        "stages.blend.blending.least_spare=1",
        "stages.blend.blending.oversample=1.0",
        "stages.blend.blending.agent_candidates=2",
        "stages.spoken.splits={dev: 0, test: 0}",
        "rounds=[voice]",
        "guards={}",
    ):
        options += ["--set", override]
    return options


@pytest.fixture(scope="module")
def built(small, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("built")
    done = _kesc("build", PROFILE, "--root", root, *small)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "all well" in done.stdout
    return root


def _table(root: Path, unit: str) -> list[dict]:
    rows: list[dict] = []
    for record in sorted((root / unit / "commits").glob("*.json")):
        rows += pq.read_table(root / json.loads(record.read_text())["file"]).to_pylist()
    return sorted(rows, key=lambda row: row["id"])


def test_every_stage_is_done_and_rows_are_accounted_for(built):
    status = json.loads(_kesc("status", "--root", built, "--json").stdout)
    stages = {s["name"]: s for s in status["stages"]}
    assert list(stages) == [*STAGES, *(f"{stage}.r1" for stage in REPEATED)]
    assert stages["synthesize.r1"]["rows_in"] == stages["synthesize"]["rows_in"] - stages["gate"]["kept"]
    assert all(s["done"] == s["shards"] > 0 and not s["failed_rows"] for s in stages.values())
    assert stages["ingest"]["rejected"] == {"duplicate": 2, "malformed": 2}
    assert stages["speakers"]["rejected"].keys() <= {"few_pairs", "mixed_speakers"}
    assert stages["gate"]["kept"] >= 3
    checked = _kesc("verify", "--root", built)
    assert checked.returncode == 0, checked.stdout


def test_the_export_holds_speech_that_says_its_text_and_carries_the_mark(built, tmp_path):
    done = _kesc("export", "--root", built, "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    metadata = json.loads((tmp_path / "out" / "metadata.json").read_text(encoding="utf-8"))
    gated = [row for gate in ("gate", "gate.r1") for row in _table(built, gate) if row["status"] == "kept"]
    assert sorted(d["id"] for d in metadata) == sorted(row["id"] for row in gated)
    files = [tmp_path / "out" / "audio" / turn["audio_path"] for d in metadata for turn in d["dialog"]]
    files = [f if f.exists() else tmp_path / "out" / f.relative_to(tmp_path / "out" / "audio") for f in files]
    assert all(soundfile.info(f).samplerate == 24_000 for f in files)
    assert _kesc("detect", *files[:4]).returncode == 0
    for row in gated:
        for turn in row["turns"]:
            unit = {"zh": "syllable", "en": "word"}[row["language"]]
            assert edits_in(unit, turn["text"], turn["transcript"], row["language"]).rate <= 0.35
    names = {p.stem for p in (tmp_path / "out" / "partitions").glob("*.json")}
    assert names == {"XS", "S", "M", "L", "XL"}
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "Kokoro-82M" in card and "kesc detect" in card and "took no part in making the voices" in card


def test_the_report_is_small_and_quick_and_whole(built, tmp_path):
    started = time.monotonic()
    done = _kesc("report", "--root", built, "--to", tmp_path / "report.html")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 30
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert len(html.encode()) < 5_000_000
    page = check_page(html)
    gated = [row for gate in ("gate", "gate.r1") for row in _table(built, gate) if row["status"] == "kept"]
    shown = {card["data-id"] for card in page.all("article")}
    assert len(shown & {row["id"] for row in gated}) >= min(len(gated), 6)
    voices = [row for row in _table(built, "voices") if row["status"] == "kept"]
    dots = [circle["class"] for circle in page.all("circle") if circle["class"].endswith(" voice")]
    assert len(dots) == len(voices)
    said = " ".join(" ".join(page.text).split())
    assert "DNSMOS of a turn, zh" in said and "DistillMOS of a turn, en" in said and "nobody real is in" in said


def test_unmarked_speech_is_not_detected(tmp_path):
    from kespeechchat.config.engines import KokoroSettings
    from kespeechchat.engines.tts import Utterance
    from kespeechchat.engines.tts.kokoro import Kokoro
    from kespeechchat.store.audio import write_wav

    voice = Kokoro(KokoroSettings(use="kokoro"))
    said = Utterance("This sentence carries no watermark at all.", "en", voice.style({"af_heart": 1.0}), seed=1)
    (audio,) = voice.speak([said])
    write_wav(tmp_path / "plain.wav", audio)
    assert _kesc("detect", tmp_path / "plain.wav").returncode == 1


def test_a_changed_threshold_regates_and_nothing_else(built, small):
    again = _kesc("build", PROFILE, "--root", built, *small, "--inline", "--set", "stages.gate.max_error.en=0.5")
    assert again.returncode == 0, again.stderr
    lines = [line for line in again.stderr.splitlines() if "shards," in line]
    assert lines and all(" gate: " in line or ".r1: " in line for line in lines), again.stderr
    back = _kesc("build", PROFILE, "--root", built, *small, "--inline")
    assert "nothing to do" in back.stdout
    cleaned = _kesc("clean", "--root", built, "--yes")  # the other gate's shards, so that the next test sees one
    assert cleaned.returncode == 0 and "superseded: gate/" in cleaned.stdout


@pytest.mark.faults
def test_killed_and_resumed_inline_it_ends_with_the_same_rows_and_audio(built, small, tmp_path):
    """Another runner, one process instead of many, killed twice: text, voices and audio must be the same. What the
    language model wrote, the choice of voices and the speech are made again."""
    root = tmp_path / "again"
    shutil.copytree(built, root)
    for unit in AGAIN:
        shutil.rmtree(root / unit)
    command = [sys.executable, "-m", "kespeechchat", "build", str(PROFILE), "--root", str(root), "--inline", *small]
    # As in the build's own workers. On some CPUs (AMD EPYC) NumPy's BLAS rounds otherwise with two threads than with
    # one, so Whisper gets other features and a score or a character of a transcript may differ.
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    moments = random.Random(7)
    for _ in range(2):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=env
        )
        time.sleep(moments.uniform(8, 25))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    for unit in ("rewrite", "spoken", "voices", "gate", "gate.r1"):
        assert _table(root, unit) == _table(built, unit), unit
    for mine, theirs in zip(_table(root, "watermark"), _table(built, "watermark"), strict=True):
        assert mine["id"] == theirs["id"]
        assert [t["audio"] for t in mine["turns"]] == [t["audio"] for t in theirs["turns"]], mine["id"]


def test_nothing_unmarked_lies_in_root(built):
    """All audio in ROOT is FLAC with the mark: of the corpus and of the dialogues."""
    from kespeechchat.config.engines import PerthSettings
    from kespeechchat.engines.watermark.perth import Perth
    from kespeechchat.store.audio import decode

    sounds = [row["audio"] for row in _table(built, "corpus")][:4]
    sounds += [t["audio"] for row in _table(built, "watermark") if row["status"] == "kept" for t in row["turns"]][:4]
    assert all(soundfile.info(io.BytesIO(s)).subtype == "PCM_16" for s in sounds)
    assert all(d.score >= 0.75 for d in Perth(PerthSettings(use="perth")).detect([decode(s) for s in sounds]))
    assert not (built / "synthesize").exists()


def test_documents_become_text_and_tokens_in_its_voices(built, small, tmp_path):
    """The real chain: a codebook fitted on this build's speech, Kokoro's audio, Whisper's encoder; and the same of the
    dialogues."""
    documents = tmp_path / "documents.jsonl"
    texts = [
        "The boats come in at 5:30, and by nine o'clock most of the fish is gone.",
        "这家茶馆开了三十多年，门口的木牌已经看不清字了。",
    ]
    documents.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    changes = [word for n, word in enumerate(small) if "--set" in (word, small[n - 1])]
    changes += ["--set", "engines.tokens.whisper.clusters=16"]
    words = ["interleave", PROFILE, *changes, "--input", documents, "--inline"]
    ran = _kesc(*words, "--root", built, "--to", tmp_path / "out")
    told = ran.stdout + ran.stderr
    assert "16 centroids fitted on" in told and "2 (1 en, 1 zh)" in told
    lines = [json.loads(line) for line in (tmp_path / "out" / "sequences-00000.jsonl").open(encoding="utf-8")]
    assert ["".join(piece["text"] for piece in line["pieces"]) for line in lines] == texts
    for line in lines:
        speech = [piece for piece in line["pieces"] if "tokens" in piece]
        for piece in speech:
            assert abs(len(piece["tokens"]) - 12.5 * piece["seconds"]) <= 1 and set(piece["tokens"]) <= set(range(16))
        assert speech and len({token for piece in speech for token in piece["tokens"]}) > 3
    ran = _kesc(*words, "--root", built, "--to", tmp_path / "out")
    assert "nothing to do" in ran.stdout and "fitted" not in ran.stderr
    refused = _kesc(*words, "--root", built, "--set", "engines.tokens.whisper.rate=25")
    assert refused.returncode == 2 and "tokens of two codebooks must not meet" in refused.stderr
    assert _kesc("status", "--root", built).returncode == 0, "the dialogues' own profile is still the last one"
    _kesc("export", "--root", built, "--to", tmp_path / "x", "--format", "interleaved")
    turns = [t for f in (tmp_path / "x").glob("*.jsonl") for line in f.open() for t in json.loads(line)["turns"]]
    assert turns and all(set(turn["tokens"]) <= set(range(16)) for turn in turns)
    assert any("tokens" in piece for turn in turns for piece in turn["pieces"])
