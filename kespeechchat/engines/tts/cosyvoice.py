"""CosyVoice 1 and 2 with voices of one's own: a speaker embedding goes in with each utterance and is gone after it.

Sources: Du et al., arXiv 2407.05407 (version 1) and arXiv 2412.10117 (version 2).

A virtual voice is put into the library's table of speakers for one call; nothing is ever written to its `spk2info.pt`.
Utterances are spoken one at a time (its flow takes a batch of one), each after seeding every generator it draws from.

Traps, and what is done about them:

* The library runs its LLM in a thread and lets an exception there die with it; the flow then speaks the tokens made so
  far. That job is watched, and its exception makes the utterance a `RowError`.
* A call may hang (a GPU that does not answer). It runs in a daemon thread with a time limit; a thread cannot be killed,
  so past the limit the engine is dead for this process: `EngineDead`, now and at every later call. The library's own
  threads inherit the daemon flag, so the process can still leave.
* After a CUDA error nothing on that GPU context works any more: `EngineDead` too; out of memory is the row's own fault.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kespeechchat.config.engines import CosyVoiceSettings
from kespeechchat.engines import EngineDead, EngineError
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.models import identify, resolve
from kespeechchat.engines.tts import TTS, Utterance
from kespeechchat.engines.tts import cosyvoice_library as library
from kespeechchat.engines.tts import cosyvoice_prompts as prompts
from kespeechchat.engines.tts.cosyvoice_text import pieces, speakable
from kespeechchat.records import Audio, Language, RowError

_VOICE = "kespeechchat-virtual"  # the one name under which voices pass through the library's table
_SPEEDS = (0.5, 2.0)  # outside, stretching the spectrogram is heard
_SHORTEST = 0.1  # seconds; less is no speech
_MARK = re.compile(r"<\|.*?\||</?\w+>|\[\w[\w-]*\]")  # <|endoftext|>, <strong>, [laughter]


class CosyVoice(TTS):
    """A TTS whose speaker space is CAM++'s (float32 [192], not normalized; the library normalizes)."""

    seeded = CosyVoiceSettings.seeded
    languages: tuple[Language, ...] = ("zh", "en")

    def __init__(self, settings: CosyVoiceSettings) -> None:
        self._settings = settings
        folder = resolve(settings.model)
        library.check_folder(folder, settings.version)
        device = library.check_device(settings)
        self._cosyvoice = library.load(folder, settings)
        self.deterministic = device == "cpu"  # the same seed on a GPU: alike, not bit for bit
        self.sample_rate: int = self._cosyvoice.sample_rate
        self.embedding_size = library.embedding_size(self._cosyvoice)
        self._frontend, self._model = self._cosyvoice.frontend, self._cosyvoice.model
        self._llm_errors: list[BaseException] = []
        self._model.llm_job = self._watched(self._model.llm_job)
        self._instruct = self._instruction()
        self._dead: str | None = None

    def identity(self) -> dict[str, str]:
        """The model, a digest of the library's code, and the versions of what it runs on."""
        from importlib.metadata import version

        libraries = {name: version(name) for name in ("torch", "transformers", "onnxruntime")}
        return {"model": identify(self._settings.model), "cosyvoice": library.source_digest(), **libraries}

    def speak(self, utterances: Sequence[Utterance]) -> list[Audio | RowError]:
        """Speech at `sample_rate` Hz. A language or an embedding size that the model lacks is an EngineError, raised
        before anything is spoken; a text with nothing to speak or with control marks, a broken embedding, a speed out
        of 0.5–2, an exception inside and silent or broken output are a RowError."""
        for utterance in utterances:
            self._refuse(utterance)
        return [self._defect(u) or self._within_limit(u) for u in utterances]

    def _refuse(self, utterance: Utterance) -> None:
        if self._dead:
            raise EngineDead(self._dead)
        if utterance.language not in self.languages:
            raise EngineError(f"CosyVoice speaks {', '.join(self.languages)} here, not {utterance.language!r}")
        if not self._settings.prompted and np.shape(utterance.embedding) != (self.embedding_size,):
            raise EngineError(
                f"voice embedding of shape {np.shape(utterance.embedding)}: this CosyVoice model needs "
                f"({self.embedding_size},); were these voices made for another TTS? Build the voice library with the "
                "profile's own `embedder` (campplus)"
            )

    def _defect(self, utterance: Utterance) -> RowError | None:
        embedding = np.asarray(utterance.embedding, dtype=np.float32)
        if self._settings.prompted:
            if unusable := prompts.unusable(utterance.prompt):
                return unusable
        elif not np.isfinite(embedding).all() or not embedding.any():
            return RowError("voice embedding is zero or not finite")
        if not _SPEEDS[0] <= utterance.speed <= _SPEEDS[1]:
            return RowError(f"speed {utterance.speed} is not in {_SPEEDS[0]}–{_SPEEDS[1]}")
        if not speakable(utterance.text):
            return RowError(f"nothing to speak in {utterance.text[:40]!r}")
        if mark := _MARK.search(utterance.text):
            return RowError(f"{mark.group()!r} is a control mark to CosyVoice; it takes plain text")
        return None

    def _within_limit(self, utterance: Utterance) -> Audio | RowError:
        if self._dead:
            raise EngineDead(self._dead)
        result: list[Audio | RowError | BaseException] = []
        thread = threading.Thread(target=_into, args=(result, self._utter, utterance), name="cosyvoice", daemon=True)
        thread.start()
        thread.join(limit := self._settings.seconds_per_utterance_limit)
        if not result:
            raise self._die(f"CosyVoice has not answered for {limit:g} s on {utterance.text[:40]!r}")
        if not isinstance(result[0], BaseException):
            return result[0]
        self._forget_session()
        if _broke_gpu(result[0]):
            raise self._die(f"CosyVoice's GPU context is broken: {result[0]}") from result[0]
        return RowError(f"CosyVoice: {type(result[0]).__name__}: {result[0]}")

    def _utter(self, utterance: Utterance) -> Audio | RowError:
        """Runs in a thread of its own; raises what the library, its LLM thread included, raised."""
        self._llm_errors.clear()
        self._frontend.spk2info[_VOICE] = self._speaker(utterance)
        try:
            _seed(utterance.seed)
            parts = [part for piece in self._pieces(utterance.text) for part in self._run(piece, utterance.speed)]
        finally:
            self._frontend.spk2info.pop(_VOICE, None)
        samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        if not np.isfinite(samples).all():
            return RowError("CosyVoice gave NaN or infinite samples")
        if len(samples) < _SHORTEST * self.sample_rate or not samples.any():
            return RowError(f"CosyVoice gave {len(samples) / self.sample_rate:.2f} s of speech or silence")
        return Audio(np.clip(samples, -1.0, 1.0), self.sample_rate)

    def _speaker(self, utterance: Utterance) -> dict[str, Any]:
        """The entry of the library's table of speakers."""
        import torch

        if self._settings.prompted:
            assert utterance.prompt is not None
            return prompts.speaker(self._cosyvoice, utterance.prompt, self._settings.text_frontend)
        embedding = torch.from_numpy(np.array(utterance.embedding, dtype=np.float32))[None]
        return {"embedding": embedding.to(self._frontend.device)}

    def _run(self, text: str, speed: float) -> list[Float32]:
        """What the library yields for `text`, each float32 [T]; one item a split of its own."""
        options: dict[str, Any] = {"stream": False, "speed": speed, "text_frontend": self._settings.text_frontend}
        if self._settings.prompted:
            yielded = self._cosyvoice.inference_zero_shot(text, "", None, zero_shot_spk_id=_VOICE, **options)
        elif self._instruct is None:
            yielded = self._cosyvoice.inference_sft(text, _VOICE, **options)
        else:
            yielded = self._cosyvoice.inference_instruct(text, _VOICE, self._instruct, **options)
        parts = []
        try:
            for item in yielded:
                if self._llm_errors:
                    break
                parts.append(item["tts_speech"].float().cpu().numpy().reshape(-1))
        except Exception as error:
            raise (self._llm_errors[0] if self._llm_errors else error) from error
        if self._llm_errors:
            raise self._llm_errors[0]
        return parts

    def _pieces(self, text: str) -> list[str]:
        if self._settings.text_frontend:
            return [text]

        def count(part: str) -> int:
            return len(self._frontend.tokenizer.encode(part, allowed_special=self._frontend.allowed_special))

        return pieces(text, count, self._settings.piece_tokens)

    def _instruction(self) -> str | None:
        import torch

        if self._settings.instruct_text is None:
            return None
        self._frontend.spk2info[_VOICE] = {"embedding": torch.zeros(1, self.embedding_size)}
        try:
            return library.instruction(self._cosyvoice, self._settings.instruct_text, _VOICE)
        finally:
            self._frontend.spk2info.pop(_VOICE, None)

    def _watched(self, job: Callable[..., None]) -> Callable[..., None]:
        def watched(*args: Any, **kwargs: Any) -> None:
            try:
                job(*args, **kwargs)
            except BaseException as error:  # a thread's end: nobody else would hear of it
                self._llm_errors.append(error)

        return watched

    def _forget_session(self) -> None:
        """After an exception the library keeps what it had of that utterance in its tables by session."""
        for name, table in vars(self._model).items():
            if name.endswith("_dict") and isinstance(table, dict):
                table.clear()

    def _die(self, why: str) -> EngineDead:
        self._dead = f"{why}; this process must be started again"
        return EngineDead(self._dead)


def _into(
    result: list[Audio | RowError | BaseException], work: Callable[[Utterance], Audio | RowError], utterance: Utterance
) -> None:
    try:
        result.append(work(utterance))
    except BaseException as error:
        result.append(error)


def _seed(seed: int) -> None:
    """Every generator that CosyVoice draws from; they are the process's own, so it speaks alone."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)  # of every GPU too


def _broke_gpu(error: BaseException) -> bool:
    import torch

    return "CUDA error" in str(error) and not isinstance(error, torch.cuda.OutOfMemoryError)
