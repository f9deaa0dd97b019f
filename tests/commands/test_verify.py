"""`kesc verify` says what the splits of a build share: user voices, the real speakers behind them, texts."""

from __future__ import annotations

import pytest

from benchmarks.recorded import fill, questions, recipe
from kespeechchat.commands.verify import verify
from kespeechchat.config.load import load_pipeline
from kespeechchat.state.build_state import BuildState
from kespeechchat.store.opening import open_store

LIBRARY = {"SPK1f": ["a", "b"], "SPK2m": ["c", "d"], "agentFemale": ["e", "f"]}


@pytest.fixture
def checked(tmp_path, quickstart):
    """What `verify` finds in a recorded build whose gated shards hold the one dialogue that `said(shard)` describes:
    (split, user voice, user text)."""

    def run(said, library=LIBRARY, spoil=None, lost=False) -> list[str]:
        def rows(order):
            if order.name == "voices":
                return [{"id": v, "parents": p} for v, p in library.items()]
            row = {"id": f"{order.name}-{order.key.shard}"}
            if order.name == "gate":
                split, voice, text = said(order.key.shard)
                agent = {"role": "agent", "voice": "agentFemale", "text": "I see."}
                row |= {"split": split, "turns": [{"role": "user", "voice": voice, "text": text}, agent]}
            return [row]

        speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 20)}}}]"
        file = questions(tmp_path / "questions.jsonl", 12)
        pipeline = load_pipeline(quickstart, (speech,), inputs=[file], root=str(tmp_path / "root"))
        store = open_store(pipeline.root)
        fill(pipeline, store, rows=rows)
        if spoil:
            spoil(BuildState(pipeline, store), store)
        # recorded builds hold other rows than planned, so each stage "lost" some
        return [p for p in verify(pipeline, store)[1] if lost or " lost " not in p]

    return run


def test_disjoint_splits_are_well(checked):
    said = {0: ("train", "SPK1f", "How far?"), 1: ("test", "SPK2m", "How near?")}
    assert checked(lambda shard: said[shard % 2]) == []


@pytest.mark.parametrize(
    ("held_out", "library", "told"),
    [
        (("test", "SPK2m", "how FAR"), LIBRARY, "splits: 1 text(s) shared by test and train"),
        (("dev", "SPK1f", "Other"), LIBRARY, "splits: 1 voice(s) shared by dev and train"),
        (("test", "SPK2m", "Other"), {**LIBRARY, "SPK2m": ["b", "d"]}, "splits: 1 parent(s) shared by test and train"),
    ],
)
def test_what_splits_share_is_told(checked, held_out, library, told):
    said = {0: ("train", "SPK1f", "How far?"), 1: held_out}
    problems = checked(lambda shard: said[shard % 2], library)
    assert any(p.startswith(told) for p in problems), problems


def test_a_library_that_cannot_be_read_is_told(checked):
    def spoil(build_state, store):
        key = build_state.pin.key
        (data,) = [k for k, _ in store.list("voices/data") if f"{key.shard:05d}" in k]
        store.put(data, b"other bytes")

    problems = checked(lambda shard: ("train", "SPK1f", f"Text {shard}"), spoil=spoil)
    assert any("sha256" in p for p in problems)


def test_what_a_broken_file_was_to_give_is_told_once(checked):
    def spoil(build_state, store):
        for data in [key for key, _ in store.list("watermark/data") if "00000" in key]:
            store.put(data, b"other bytes")

    said = checked(lambda shard: ("train", "SPK1f", f"Text {shard}"), spoil=spoil, lost=True)
    assert [p for p in said if p.startswith("watermark shard 00000: ")]
    measured = [p.split(":")[0] for p in said if p.startswith("measure shard ")]
    assert measured and "measure shard 00000" not in measured
