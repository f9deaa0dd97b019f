"""`kesc interleave` without audio: CosyVoice's real code with random weights says the spans of documents as tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.recorded import record_shard
from kespeechchat.commands.interleave import of_interleave, written
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.stages import base
from kespeechchat.stages.interleaved import Interleaved
from kespeechchat.state.orders import Order
from kespeechchat.state.voice_pin import pin
from kespeechchat.store.audio import encode_flac
from kespeechchat.store.commit import ShardKey
from kespeechchat.store.opening import open_store
from tests.engines import tiny_cosyvoice
from tests.engines.test_cosyvoice_prompts import tokenizer
from tests.engines.tones import voice
from tests.stages.test_interleave_chain import DOCUMENTS, PROFILE, made, run

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore::FutureWarning")]  # the library's own
VOICES = (("v0", "en", 220.0), ("v1", "zh", 110.0), ("v2", "en", 140.0))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_cosyvoice.build(tmp_path_factory.mktemp("models") / "tiny")
    tokenizer(folder / "speech_tokenizer_v1.onnx")
    return folder


def profile(folder: Path, model: Path, *changes: str, mode: str = "sft") -> Pipeline:
    engine = f"{{use: cosyvoice, model: {model}, mode: {mode}, batch: 4}}"
    named = (f"engines.tokens.cosyvoice={engine}", "interleave.stages.interleaved={tokens: cosyvoice}", *changes)
    pipeline = of_interleave(load_pipeline(PROFILE, named, documents=[str(DOCUMENTS)], root=str(folder / "root")))
    store = open_store(pipeline.root)
    if not (folder / "root" / "voices" / "pin.json").exists():
        record = record_shard(store, Order(Unit.of("voices"), ShardKey(0, "0" * 12), None), list(map(_voice, VOICES)))
        pin(store, type(record)(**{**record.__dict__, "content": "c"}))
    return pipeline


def _voice(of: tuple[str, str, float]) -> dict[str, Any]:
    name, language, pitch = of
    prompt = {"language": language, "text": "I said this.", "audio": encode_flac(voice(1.2, 24_000, pitch))}
    embedding = np.random.default_rng(int(pitch)).standard_normal(192).astype(np.float32).tolist()
    plain = {"id": name, "role": "user", "language": language, "split": "train", "gender": "female"}
    return plain | {"embedding": embedding, "prompts": [prompt]}


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Engines are loaded anew; the library loads its LLM as FunAudioLLM's code does."""
    monkeypatch.setattr(base, "_loaded", {})
    with tiny_cosyvoice.llm_loaded():
        yield


@pytest.mark.parametrize("mode", ["sft", "zero_shot"])
def test_spans_become_tokens_without_a_voice_being_heard(tmp_path: Path, model: Path, loaded: Any, mode: str) -> None:
    """No TTS is loaded; the voices come by hash, and in zero-shot with their recordings."""
    changes = () if mode == "sft" else ("stages.audition.prompts={watermark: perth}",)
    pipeline = profile(tmp_path, model, *changes, mode=mode)
    assert run(pipeline).ok
    rows = made(pipeline)
    spoken = [piece for row in rows for piece in row["pieces"] if piece["said"] is not None]
    assert rows and len(spoken) > len(rows) and {piece["voice"] for piece in spoken} == {"v0", "v1", "v2"}
    for piece in spoken:
        assert piece["tokens"] and 0 <= min(piece["tokens"]) <= max(piece["tokens"]) < 32 and piece["seconds"] is None
    assert {(row["rate"], row["codebooks"], row["codebook_size"]) for row in rows} == {(50.0, 1, 32)}
    assert [capability for capability, _ in base._loaded] == ["tokens"]
    written(pipeline, open_store(pipeline.root), str(tmp_path / "out"))
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "The tokens come from the text itself (`cosyvoice`); no audio was made" in card


def test_the_spans_of_a_shard_go_through_the_llm_together(
    tmp_path: Path, model: Path, loaded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kespeechchat.engines.tokens.cosyvoice import CosyVoiceTokens

    calls, plain = [], CosyVoiceTokens.tokens_of_text
    monkeypatch.setattr(
        CosyVoiceTokens, "tokens_of_text", lambda self, spans: calls.append(len(spans)) or plain(self, spans)
    )
    pipeline = profile(tmp_path, model, "interleave.shard_size=1000")
    assert run(pipeline).ok
    assert calls == [sum(piece["said"] is not None for row in made(pipeline) for piece in row["pieces"])]


def test_a_voice_without_a_recording_is_said_when_the_profile_is_loaded(tmp_path: Path, model: Path) -> None:
    with pytest.raises(ConfigError, match=r"interleave\.stages\.interleaved\.tokens: 'cosyvoice' speaks from a record"):
        profile(tmp_path, model, mode="zero_shot")


def test_a_tokenizer_that_only_hears_needs_a_voice(tmp_path: Path) -> None:
    pipeline = of_interleave(load_pipeline(PROFILE, ("interleave.stages.interleaved.tts=null",), root=str(tmp_path)))
    stage = Interleaved(pipeline)
    stage._engine = lambda *named: object()  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match="hears speech and takes no text: name a TTS"):
        stage.setup()
