"""The chain of `kesc interleave` with a voice and an ear that are no models; real engines have tests of their own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from kespeechchat.commands.interleave import of_interleave, written
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.stages import interleaved
from kespeechchat.stages.interleaved import Interleaved
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.codebooks import pin_tokenizer
from kespeechchat.state.model_digests import with_model_digests
from kespeechchat.store.opening import open_store
from tests.interleaving import DOCUMENTS, PROFILE, SIZE, Ear, Voice, made, profile, run

BAD = [
    "",
    "   ",
    "Word",
    "the sea " * 40_000,
    "Read <|begin_of_speech|> and say <|speech_3|> aloud to the people here.",
    "See <|endoftext|> at the end.",
    "https://a.org/one https://a.org/two | | |",
    "The first of two that are the same, word by word.",
    "The first of two that are the same, word by word.",
    "word " * 30,
    "我们用 Python 写了一个小程序，它每天早上八点钟给所有的人发一封电子邮件，大家都说很方便。",
    "# Title\n\n**Bold** words and `code` stand beside plain ones, and a <b>tag</b> or two is there.\n\n- item one",
]


def texts_of(file: Path) -> list[str]:
    return [json.loads(line)["text"] for line in file.read_text("utf-8").splitlines()]


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in BAD) + "{nothing\n")
    return file


def test_what_is_not_speech_is_unchanged_and_in_order(tmp_path, ear):
    pipeline = profile(tmp_path)
    assert run(pipeline).ok
    rows = made(pipeline)
    assert ["".join(p["text"] for p in row["pieces"]) for row in rows] == texts_of(DOCUMENTS)
    for row in rows:
        speech = [piece for piece in row["pieces"] if piece["tokens"] is not None]
        assert row["spoken_words"] == sum(p["words"] for p in speech) >= 0.3 * row["words"] > 0
        for piece in speech:
            assert all(0 <= token < SIZE for token in piece["tokens"]) and piece["seconds"] > 0
            assert piece["voice"] in ({"v1"} if piece["language"] == "zh" else {"v0", "v2"}), (
                "held-out voices are not used"
            )
    assert {piece["voice"] for row in rows for piece in row["pieces"]} == {"v0", "v1", "v2", None}


def test_a_document_gets_the_same_whoever_makes_it(tmp_path, ear):
    found = []
    for name, size in (("a", 1), ("b", 3), ("c", 100)):
        pipeline = profile(tmp_path / name, f"interleave.shard_size={size}")
        assert run(pipeline).ok
        found.append(json.dumps(made(pipeline), sort_keys=True))
    assert found[0] == found[1] == found[2]


def test_bad_documents_leave_with_a_reason(tmp_path, ear, bad):
    pipeline = profile(tmp_path, documents=bad)
    result = run(pipeline)
    assert result.ok, result.lines()
    rows = made(pipeline, kept_only=False)
    reasons = [row["reason"] for row in rows]
    assert reasons[:7] == [
        "empty",
        "empty",
        "too_short",
        "too_long",
        "control_token",
        "control_token",
        "nothing_to_speak",
    ]
    assert reasons[7:] == [None, "duplicate", None, None, None, "malformed"]
    assert {row["language"] for row in rows if row["status"] == "kept"} == {"en", "zh"}
    assert not any("<" in text or "`" in text or "*" in text for text in Voice.spoken)
    assert [r["stage"] for r in rows if r["status"] == "rejected"] == ["spans"] * 9


def test_only_the_marks_are_marks_of_ours(tmp_path, ear, bad):
    pipeline = profile(tmp_path, documents=bad)
    run(pipeline)
    told = written(pipeline, open_store(pipeline.root), str(tmp_path / "out"))
    lines = [json.loads(line) for f in sorted((tmp_path / "out").glob("*.jsonl")) for line in f.open(encoding="utf-8")]
    assert "2 control_token" in told and len(lines) == 4
    for line in lines:
        tokens = [t for piece in line["pieces"] for t in piece.get("tokens", ())]
        spans = sum("tokens" in piece for piece in line["pieces"])
        assert line["text"].count("<|speech_") == len(tokens) and line["text"].count("<|begin_of_speech|>") == spans


def test_sequences_are_the_same_in_both_forms_and_marks_are_a_setting(tmp_path, ear):
    pipeline = profile(tmp_path)
    run(pipeline)
    written(pipeline, open_store(pipeline.root), str(tmp_path / "out"))
    lines = [json.loads(line) for f in sorted((tmp_path / "out").glob("*.jsonl")) for line in f.open(encoding="utf-8")]
    tables = [row for f in sorted((tmp_path / "out" / "data").glob("*")) for row in pq.read_table(f).to_pylist()]
    assert [(r["id"], r["text"]) for r in tables] == [(r["id"], r["text"]) for r in lines] and len(lines) == 8
    other = profile(tmp_path, 'interleave.marks={begin: "<|a|>", end: "<|b|>", token: "<|t{}|>"}')
    assert not run(other).built, "marks make nothing stale"
    written(other, open_store(pipeline.root), str(tmp_path / "out"))
    (first, *_) = (tmp_path / "out" / "sequences-00000.jsonl").read_text("utf-8").splitlines()
    assert "<|a|><|t" in first and "begin_of_speech" not in first
    assert json.loads((tmp_path / "out" / "tokens.json").read_text())["size"] == SIZE
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "`kokoro` spoke each span" in card and "It carried no watermark" in card


def test_a_changed_ratio_makes_only_this_stale(tmp_path, ear):
    pipeline = profile(tmp_path)
    run(pipeline)
    other = profile(tmp_path, "interleave.stages.spans.ratio=0.5")
    store = open_store(other.root)
    assert {s.state for s in BuildState(other, store).states("interleaved").values()} == {State.STALE}
    both = [load_pipeline(PROFILE, change) for change in ((), ("interleave.stages.spans.ratio=0.5",))]
    for stage in both[0].flow:
        assert both[0].relevant_to(stage, "en") == both[1].relevant_to(stage, "en"), stage
    before = {row["id"]: row["spoken_words"] for row in made(pipeline)}
    assert run(other).ok
    assert all(row["spoken_words"] > before[row["id"]] for row in made(other))


def test_an_interleave_leaves_the_profile_of_the_dialogues_alone(tmp_path, ear):
    run(profile(tmp_path))
    names = {p.name for p in (tmp_path / "root").iterdir()}
    assert "interleave.json" in names and "pipeline.json" not in names


def test_a_span_that_cannot_be_spoken_fails_its_document(tmp_path, ear):
    file = tmp_path / "a.txt"
    file.write_text("\n".join(["unsayable things are " * 20, "but this can be said by all of them here"]))
    pipeline = profile(tmp_path, documents=file)
    result = run(pipeline)
    assert not result.ok and result.rows_failed == 1
    failed, kept = made(pipeline, kept_only=False)
    assert failed["status"] == "failed" and "cannot say it" in failed["detail"] and kept["status"] == "kept"


def test_a_language_without_a_voice_costs_its_documents_alone(tmp_path, ear):
    pipeline = profile(tmp_path, languages="en en en zh")
    result = run(pipeline)
    assert result.ok, result.lines()
    rows = made(pipeline, kept_only=False)
    lost = [row for row in rows if row["status"] == "rejected"]
    assert {row["reason"] for row in lost} == {"no_voice"} and {row["stage"] for row in lost} == {"interleaved"}
    assert "no training voice speaks zh: raise the number" in lost[0]["detail"]
    assert len(lost) + len(made(pipeline)) == len(texts_of(DOCUMENTS)) and all(row["pieces"] for row in made(pipeline))
    assert {piece["voice"] for row in made(pipeline) for piece in row["pieces"]} == {"v0", "v1", "v2", None}


@pytest.mark.parametrize("codebooks", [1, 2])
def test_a_span_without_a_token_fails_its_document(tmp_path, ear, monkeypatch, codebooks):
    monkeypatch.setattr(Ear, "silent", True)
    monkeypatch.setattr(Ear, "codebooks", codebooks)
    pipeline = profile(tmp_path)
    result = run(pipeline)
    assert result.rows_failed == 8
    assert all("the tokens engine gave no token" in row["detail"] for row in made(pipeline, kept_only=False))


def test_an_empty_answer_of_another_shape_stops_the_build(tmp_path, ear, monkeypatch):
    from kespeechchat.engines import EngineError

    monkeypatch.setattr(Ear, "_of", lambda self, samples, count: np.zeros((0, 0), np.int32))
    with pytest.raises(EngineError, match=r"gave ids of shape \[0, 0\] without an id, but has 1 codebooks of 40"):
        run(profile(tmp_path))


@pytest.mark.parametrize(("name", "value"), [("beyond", SIZE), ("beyond", -SIZE)])
def test_an_id_outside_of_the_codebook_stops_the_build(tmp_path, ear, monkeypatch, name, value):
    from kespeechchat.engines import EngineError

    monkeypatch.setattr(Ear, name, value)
    with pytest.raises(EngineError, match="has 1 codebooks of 40: is its codebook the right file"):
        run(profile(tmp_path))


def test_several_codebooks_are_written_frame_by_frame(tmp_path, ear, monkeypatch):
    monkeypatch.setattr(Ear, "codebooks", 2)
    pipeline = profile(tmp_path)
    assert run(pipeline).ok
    piece = next(p for row in made(pipeline) for p in row["pieces"] if p["tokens"])
    half = len(piece["tokens"]) // 2
    assert (
        piece["tokens"][2] == (piece["tokens"][0] + 1) % SIZE
        and piece["tokens"][1] == (piece["tokens"][0] + half) % SIZE
    )
    written(pipeline, open_store(pipeline.root), str(tmp_path / "out"))
    line = json.loads((tmp_path / "out" / "sequences-00000.jsonl").open(encoding="utf-8").readline())
    assert (
        f"<|begin_of_speech|><|speech_0_{next(p['tokens'][0] for p in line['pieces'] if 'tokens' in p)}|><|speech_1_"
        in (line["text"])
    )


def test_another_tokenizer_is_refused_until_it_is_asked_for(tmp_path, ear):
    np.save(tmp_path / "a.npy", np.zeros((4, 4), np.float32))
    np.save(tmp_path / "b.npy", np.ones((4, 4), np.float32))

    def with_codebook(name: str) -> Pipeline:
        return with_model_digests(profile(tmp_path, f"engines.tokens.whisper.centroids={tmp_path}/{name}.npy"))

    store = open_store(str(tmp_path / "root"))
    pin_tokenizer(store, with_codebook("a"))
    pin_tokenizer(store, with_codebook("a"))
    with pytest.raises(ConfigError, match=r"tokens of two codebooks must not meet.*--replace-tokens"):
        pin_tokenizer(store, with_codebook("b"))
    pin_tokenizer(store, with_codebook("b"), replace=True)
    with pytest.raises(ConfigError, match="is not that of the tokens"):
        pin_tokenizer(store, with_codebook("a"))


def test_without_voices_it_says_what_to_build_first(tmp_path, ear):
    pipeline = of_interleave(load_pipeline(PROFILE, documents=[str(DOCUMENTS)], root=str(tmp_path / "root")))
    result = run(pipeline)
    assert not result.ok and "needs the voice library: build the stages up to voices first" in result.lines()


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        ("{begin: speech}", "is no mark"),
        ("{token: '<|t|>'}", "must hold {} once"),
        ("{end: '<|speech_1|>'}", "different"),
    ],
)
def test_marks_that_a_document_could_write_are_refused(marks, message):
    with pytest.raises(ConfigError, match=message):
        load_pipeline(PROFILE, (f"interleave.marks={marks}",))


@pytest.mark.parametrize("documents", [(), (str(DOCUMENTS),)])
def test_a_profile_without_the_section_says_where_to_look(documents):
    with pytest.raises(ConfigError, match="interleave: the profile has no such section"):
        of_interleave(load_pipeline(PROFILE, ("interleave=null",), documents=documents))


@pytest.mark.parametrize(
    ("spoken", "prompted", "spans", "together"),
    [
        (True, False, 130, [64, 64, 2]),  # audio is in memory
        (True, True, 65, [64, 1]),
        (False, True, 600, [512, 88]),  # recordings are
        (False, False, 600, [600]),  # numbers alone, and the LLM's batch stays full
        (False, False, 0, []),
    ],
)
def test_memory_holds_the_audio_or_recordings_of_some_spans(
    tmp_path, ear, monkeypatch, spoken, prompted, spans, together
):
    monkeypatch.setattr(Interleaved, "prompted", prompted)
    stage = Interleaved(profile(tmp_path))
    stage.setup()
    stage.tts = stage.tts if spoken else None
    assert [len(part) for part in stage._at_once(list(range(spans)))] == together
    assert [one for part in stage._at_once(list(range(spans))) for one in part] == list(range(spans))


def test_a_shard_is_spoken_in_parts_with_the_same_tokens(tmp_path, ear, monkeypatch):
    assert run(whole := profile(tmp_path / "a")).ok
    calls, speak = [], Voice.speak
    monkeypatch.setattr(Voice, "speak", lambda self, given: calls.append(len(given)) or speak(self, given))
    monkeypatch.setattr(interleaved, "_AT_ONCE", 3)
    assert run(parts := profile(tmp_path / "b")).ok
    assert made(parts) == made(whole) and max(calls) == 3 and len(calls) > 2
