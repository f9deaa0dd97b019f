"""The layout `interleaved`: text, tokens and audio of each turn are parallel."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kespeechchat.config.interleave import Marks
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.errors import ExportError
from kespeechchat.export.layouts import interleaved
from kespeechchat.export.layouts.interleaved import Interleaved
from kespeechchat.records import RowError
from kespeechchat.speech_tokens import Codebook, SpeechTokens
from tests.export.gated_rows import GENDERS, ROWS, dialogue, read_audio, selected, snapshot

BY_ID = {r["id"]: r for r in ROWS}


class Reader:
    """Numbers in order for tokens; one dialogue's user cannot be heard."""

    rate, codebooks, ratio, mean_words, marks, seed = 200.0, 1, 0.3, 2.0, Marks(), 1
    settings = {"made": "by a test"}
    codebook = Codebook(200.0, 10_000, "its file")

    def __init__(self, deaf: int | None = None) -> None:
        self.deaf, self.heard = deaf, 0

    def tokens(self, audios):
        found = []
        for audio in audios:
            tokens = np.arange(int(audio.seconds * self.rate), dtype=np.int32)[None]
            found.append(RowError("silent") if self.heard == self.deaf else tokens)
            self.heard += 1
        return found

    def vocabulary(self):
        return {"size": 10_000}


def run(to, rows=ROWS, reader=None, read=read_audio):
    dialogues = Dialogues(selected(rows), read, GENDERS)
    return Interleaved(tokens=reader or Reader()).export(dialogues, to, BuildFacts())


def lines(to):
    return {x["id"]: x for f in sorted(to.glob("*.jsonl")) for x in map(json.loads, f.open(encoding="utf-8"))}


def test_each_piece_is_its_words_and_the_tokens_of_their_audio(tmp_path):
    done = run(tmp_path)
    found = lines(tmp_path)
    assert done.dialogues == len(ROWS) == len(found) and not done.notes
    speech = 0
    for id_, line in found.items():
        for turn, ours in zip(line["turns"], BY_ID[id_]["turns"], strict=True):
            assert "".join(piece["text"] for piece in turn["pieces"]) == ours["text"]
            assert turn["tokens"] == list(range(len(turn["tokens"])))
            assert abs(len(turn["tokens"]) - 200 * ours["seconds"]) <= 1
            for piece in turn["pieces"]:
                if "tokens" not in piece:
                    continue
                speech += 1
                first, last = round(piece["start"] * 200), round(piece["end"] * 200)
                assert piece["tokens"] == turn["tokens"][first:last]
            assert turn["text"].count("<|speech_") == sum(len(p.get("tokens", ())) for p in turn["pieces"])
    assert speech >= 2 * len(ROWS)
    turn = found["seed-001"]["turns"][0]  # five words, one fifth of the time each
    for piece in (p for p in turn["pieces"] if "tokens" in p):
        before = BY_ID["seed-001"]["turns"][0]["text"].index(piece["text"])
        words_before = len(BY_ID["seed-001"]["turns"][0]["text"][:before].split())
        assert abs(piece["start"] - words_before * 840 / 8000 / 5) < 0.012


def test_the_same_dialogues_give_the_same_bytes(tmp_path):
    run(tmp_path / "a")
    run(tmp_path / "b")
    assert snapshot(tmp_path / "a") == snapshot(tmp_path / "b")


def test_what_has_no_tokens_is_left_out_and_told(tmp_path):
    done = run(tmp_path, reader=Reader(deaf=3))
    assert done.dialogues == len(ROWS) - 1 and done.notes[0].startswith("left out, without tokens: 1 dialogue, e.g. ")
    unheard = dialogue(1)
    unheard["turns"][1]["words"] = None
    done = run(tmp_path / "b", [ROWS[0], unheard, ROWS[2]])
    assert set(lines(tmp_path / "b")) == {"seed-000", "seed-002"} and "agent: no word times" in done.notes[0]


def test_an_engine_that_answers_too_little_is_no_silence(tmp_path):
    class Short(Reader):
        def tokens(self, audios):
            return super().tokens(audios)[:-1]

    with pytest.raises(ValueError, match="shorter"):
        run(tmp_path, reader=Short())


def test_only_what_was_not_heard_is_left_out(tmp_path, monkeypatch):
    unheard = dialogue(1)
    unheard["turns"][0]["words"] = []
    done = run(tmp_path, [ROWS[0], unheard])
    assert set(lines(tmp_path)) == {"seed-000"} and "seed-001: user: no word was heard" in done.notes[0]

    def broken(*args):
        raise ValueError("a bug")

    monkeypatch.setattr(interleaved, "turn_pieces", broken)
    with pytest.raises(ValueError, match="a bug"):
        run(tmp_path / "b")


def test_it_needs_an_engine_and_audio(tmp_path):
    with pytest.raises(ExportError, match="the profile has no `interleave`"):
        Interleaved().export(Dialogues(selected(), read_audio, GENDERS), tmp_path, BuildFacts())
    with pytest.raises(ExportError, match="tokens are made of the audio"):
        run(tmp_path, read=None)


def kept(row, codebook=Reader.codebook, roles=("user", "agent"), longer=0):
    """Tokens from 5,000 on, by which one sees whose they are."""
    return {
        turn["role"]: SpeechTokens(
            np.arange(5000, 5000 + longer + round(turn["seconds"] * 200), dtype=np.int32), codebook
        )
        if turn["role"] in roles
        else None
        for turn in row["turns"]
    }


def run_kept(to, read, reader=None, **settings):
    dialogues = Dialogues(selected(ROWS[:3]), read_audio, GENDERS, read_tokens=read)
    return Interleaved(tokens=reader or Reader(), **settings).export(dialogues, to, BuildFacts())


def turns_of(to):
    return [
        (turn, ours) for x in lines(to).values() for turn, ours in zip(x["turns"], BY_ID[x["id"]]["turns"], strict=True)
    ]


def test_a_turn_has_the_tokens_that_it_was_spoken_from(tmp_path):
    """No audio is tokenized then, and token k still stands for the audio from k / rate seconds on."""
    reader = Reader()
    done = run_kept(tmp_path, kept, reader)
    found = turns_of(tmp_path)
    assert len(found) == 6 and reader.heard == 0
    for turn, ours in found:
        assert turn["tokens"] == list(range(5000, 5000 + round(200 * ours["seconds"])))
        assert turn["tokens_from"] == "voice"
        pieces = [piece for piece in turn["pieces"] if "tokens" in piece]
        assert pieces
        for piece in pieces:
            first, last = round(piece["start"] * 200), round(piece["end"] * 200)
            assert piece["tokens"] == list(range(5000 + first, 5000 + last))
    assert json.loads((tmp_path / "tokens.json").read_text())["turns_by_source"] == {"voice": 6, "audio": 0}
    assert done.notes == ("6 turns have the tokens that they were spoken from",)


def test_what_was_not_kept_is_heard_in_its_place(tmp_path):
    done = run_kept(tmp_path, lambda row: kept(row, roles=("agent",)))
    for turn, ours in turns_of(tmp_path):
        first = 5000 if ours["role"] == "agent" else 0
        assert turn["tokens"][0] == first and turn["tokens_from"] == ("voice" if first else "audio")
    assert done.notes == ("3 turns have the tokens that they were spoken from, 3 those of their audio",)


@pytest.mark.parametrize(
    "other",
    [Codebook(200.0, 10_000, "another file"), Codebook(100.0, 10_000, "its file"), Codebook(200.0, 9, "its file")],
)
def test_tokens_of_another_codebook_are_left(tmp_path, other):
    run_kept(tmp_path, lambda row: kept(row, other))
    assert {(turn["tokens_from"], turn["tokens"][0]) for turn, _ in turns_of(tmp_path)} == {("audio", 0)}


def test_the_tokens_of_the_audio_can_be_had_throughout(tmp_path):
    run_kept(tmp_path / "a", kept, source="audio")
    assert {turn["tokens_from"] for turn, _ in turns_of(tmp_path / "a")} == {"audio"}
    deaf = Reader()
    deaf.codebook = None
    run_kept(tmp_path / "b", kept, deaf)
    assert {turn["tokens_from"] for turn, _ in turns_of(tmp_path / "b")} == {"audio"}


def test_tokens_that_are_not_as_long_as_the_audio_stop_the_export(tmp_path):
    with pytest.raises(ExportError, match=r"seed-000, user: .* speech tokens are .* and it has .*source=audio"):
        run_kept(tmp_path, lambda row: kept(row, longer=20))
