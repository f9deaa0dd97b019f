"""CosyVoice 1 to 3 with voices of one's own: a speaker embedding goes in with each utterance and is gone after it.

Sources: Du et al., arXiv 2407.05407 (version 1) and arXiv 2412.10117 (version 2).

With `batch: 1` utterances are spoken by the library, one at a time, each after seeding every generator it draws from;
with more they go together through the loops of `cosyvoice_batch`, where each row has generators of its own. The library
runs its LLM in a thread and lets an exception there die with it; the flow then speaks the tokens made so far. So that
job is watched, and its exception makes the utterance a `RowError`. `cosyvoice_model` has the other traps.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kespeechchat.config.engines import CosyVoiceSettings
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.tts import TTS, SpeaksFromTokens, Spoken, Utterance
from kespeechchat.engines.tts.cosyvoice_batch.speaking import BatchSpeaker, SpokenPiece
from kespeechchat.engines.tts.cosyvoice_checks import checked, defect
from kespeechchat.engines.tts.cosyvoice_codebook import speech_tokenizer
from kespeechchat.engines.tts.cosyvoice_model import VOICE, CosyVoiceModel
from kespeechchat.records import Audio, RowError
from kespeechchat.speech_tokens import Codebook


class CosyVoice(CosyVoiceModel, TTS, SpeaksFromTokens):
    """A TTS whose speaker space is CAM++'s (float32 [192], not normalized; the library normalizes)."""

    seeded = CosyVoiceSettings.seeded

    def __init__(self, settings: CosyVoiceSettings) -> None:
        """Raises EngineError where the library, its code or the model folder is not what this needs."""
        super().__init__(settings)
        # the same seed on a GPU, or among other rows: alike, not bit for bit
        self.deterministic = self._device == "cpu" and settings.batch == 1
        self.sample_rate: int = self._cosyvoice.sample_rate
        self.embedding_size = self._voice_size
        self._llm_errors: list[BaseException] = []
        self._model.llm_job = self._watched(self._model.llm_job)
        self._said: list[int] = []  # tokens of the utterance under way
        self._model.token2wav = self._overheard(self._model.token2wav)
        self._batches = self._batch_speaker(settings.flow_frames) if settings.batch > 1 else None

    def _batch_speaker(self, flow_frames: int) -> BatchSpeaker:
        return BatchSpeaker(self._model, self._limits(), flow_frames, self._watch.beat)

    def speak(self, utterances: Sequence[Utterance]) -> list[Audio | RowError]:
        """Speech at `sample_rate` Hz. A language or an embedding size that the model lacks is an EngineError, raised
        before anything is spoken; a text with nothing to speak or with control marks, a broken embedding, a speed out
        of 0.5–2, an exception inside and silent or broken output are a RowError."""
        made = self.speak_from_tokens(utterances)
        return [one if isinstance(one, RowError) else one.audio for one in made]

    def codebook(self) -> Codebook:
        """Of the tokens that it speaks from, known by the speech tokenizer in the model folder."""
        return speech_tokenizer(self._settings).codebook()

    def speak_from_tokens(self, utterances: Sequence[Utterance]) -> list[Spoken | RowError]:
        """As `speak`, with what flow and vocoder made the audio of. In version 1 a piece of a long text may be up to a
        spectrogram frame (256 samples) shorter than its tokens; later versions make 960 samples of each."""
        if self._batches is not None:
            return self._batched(utterances, self._batches.speak, self._joined)
        for utterance in utterances:
            self._refuse(utterance)
        return [defect(u, self._settings.prompted) or self._within_limit(u) for u in utterances]

    def _within_limit(self, utterance: Utterance) -> Spoken | RowError:
        said: Spoken | RowError | Exception = self._watched_run(lambda: self._utter(utterance), utterance.text)
        if isinstance(said, Exception):
            self._forget_session()
            return RowError(f"CosyVoice: {type(said).__name__}: {said}")
        return said

    def _utter(self, utterance: Utterance) -> Spoken | RowError:
        """Runs in a thread of its own; raises what the library, its LLM thread included, raised."""
        self._llm_errors.clear()
        self._said.clear()
        with self._voice(utterance):
            _seed(utterance.seed)
            told = self._told(utterance)
            parts = [part for text in self._pieces(utterance.text) for part in self._run(text, utterance.speed, told)]
        return self._checked(parts, self._said)

    def _joined(self, parts: Sequence[SpokenPiece]) -> Spoken | RowError:
        return self._checked([part.samples for part in parts], [token for part in parts for token in part.tokens])

    def _checked(self, parts: Sequence[Float32], tokens: Sequence[int]) -> Spoken | RowError:
        audio = checked(parts, self.sample_rate)
        return audio if isinstance(audio, RowError) else Spoken(audio, np.array(tokens, dtype=np.int32))

    def _run(self, text: str, speed: float, told: str | None) -> list[Float32]:
        """What the library yields for `text`, each float32 [T]; one item a split of its own. `told`: the instruction,
        where the mode has one."""
        options: dict[str, Any] = {"stream": False, "speed": speed, "text_frontend": self._settings.text_frontend}
        if self._settings.prompted:
            yielded = self._cosyvoice.inference_zero_shot(text, "", None, zero_shot_spk_id=VOICE, **options)
        elif told is None:
            yielded = self._cosyvoice.inference_sft(text, VOICE, **options)
        else:
            yielded = self._cosyvoice.inference_instruct(text, VOICE, told, **options)
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

    def _watched(self, job: Callable[..., None]) -> Callable[..., None]:
        def watched(*args: Any, **kwargs: Any) -> None:
            try:
                job(*args, **kwargs)
            except BaseException as error:  # a thread's end: nobody else would hear of it
                self._llm_errors.append(error)

        return watched

    def _overheard(self, token2wav: Callable[..., Any]) -> Callable[..., Any]:
        """Called once for each part that the library yields, with what its LLM said (version 3 leaves long silences out
        of that)."""

        def overheard(token: Any, *args: Any, **kwargs: Any) -> Any:
            self._said += token.flatten().tolist()
            return token2wav(token, *args, **kwargs)

        return overheard

    def _forget_session(self) -> None:
        """After an exception the library keeps what it had of that utterance in its tables by session."""
        for name, table in vars(self._model).items():
            if name.endswith("_dict") and isinstance(table, dict):
                table.clear()


def _seed(seed: int) -> None:
    """Every generator that CosyVoice draws from; they are the process's own, so it speaks alone."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)  # of every GPU too
