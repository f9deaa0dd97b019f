"""CosyVoice 1 to 3 with voices of one's own: a speaker embedding goes in with each utterance and is gone after it.

Sources: Du et al., arXiv 2407.05407 (version 1) and arXiv 2412.10117 (version 2).

A virtual voice is put into the library's table of speakers for one call; nothing is ever written to its `spk2info.pt`.
With `batch: 1` utterances are spoken by the library, one at a time, each after seeding every generator it draws from;
with more they go together through the loops of `cosyvoice_batch`, where each row has generators of its own.

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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from kespeechchat.config.engines import CosyVoiceSettings
from kespeechchat.engines import EngineDead, EngineError
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.models import identify, resolve
from kespeechchat.engines.tts import TTS, Utterance
from kespeechchat.engines.tts import cosyvoice_library as library
from kespeechchat.engines.tts import cosyvoice_prompts as prompts
from kespeechchat.engines.tts.cosyvoice_batch.decoding import Limits
from kespeechchat.engines.tts.cosyvoice_batch.speaking import BatchSpeaker, Piece
from kespeechchat.engines.tts.cosyvoice_checks import checked, defect
from kespeechchat.engines.tts.cosyvoice_text import pieces
from kespeechchat.engines.tts.cosyvoice_watch import Hung, Watch
from kespeechchat.records import Audio, Language, RowError

_VOICE = "kespeechchat-virtual"  # the one name under which voices pass through the library's table


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
        # the same seed on a GPU, or among other rows: alike, not bit for bit
        self.deterministic = device == "cpu" and settings.batch == 1
        self.sample_rate: int = self._cosyvoice.sample_rate
        self.embedding_size = library.embedding_size(self._cosyvoice)
        self._frontend, self._model = self._cosyvoice.frontend, self._cosyvoice.model
        self._llm_errors: list[BaseException] = []
        self._model.llm_job = self._watched(self._model.llm_job)
        self._instruct = self._instruction()
        self._dead: str | None = None
        self._watch = Watch()
        self._batches = self._batch_speaker() if settings.batch > 1 else None

    def _batch_speaker(self) -> BatchSpeaker:
        cache = int(self._settings.cache_gigabytes * 2**30)
        limits = Limits(self._settings.batch, cache, _broke_gpu)
        return BatchSpeaker(self._model, limits, self._settings.flow_frames, self._watch.beat)

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
        if self._batches is None:
            return [defect(u, self._settings.prompted) or self._within_limit(u) for u in utterances]
        defects = [defect(u, self._settings.prompted) for u in utterances]
        said = iter(self._together([u for u, bad in zip(utterances, defects, strict=True) if bad is None]))
        return [bad or next(said) for bad in defects]

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

    def _within_limit(self, utterance: Utterance) -> Audio | RowError:
        said: Audio | RowError | Exception = self._watched_run(lambda: self._utter(utterance), utterance.text)
        if isinstance(said, Exception):
            self._forget_session()
            return RowError(f"CosyVoice: {type(said).__name__}: {said}")
        return said

    def _watched_run(self, work: Callable[[], Any], text: str) -> Any:
        """What `work` returns, or the exception that it raised; EngineDead where it hangs or broke the GPU."""
        if self._dead:
            raise EngineDead(self._dead)
        try:
            return self._watch.run(work, self._settings.seconds_per_utterance_limit)
        except Hung as error:
            raise self._die(f"CosyVoice {error} on {text[:40]!r}") from error
        except Exception as error:
            if _broke_gpu(error):
                self._forget_session()
                raise self._die(f"CosyVoice's GPU context is broken: {error}") from error
            return error

    def _together(self, utterances: Sequence[Utterance]) -> list[Audio | RowError]:
        """All of them in one batch; an exception that is no row's own makes the engine useless."""
        if not utterances:
            return []
        assert self._batches is not None
        speaker = self._batches

        def work() -> tuple[list[list[Piece] | RowError], list[Float32 | RowError]]:
            given = [self._inputs(utterance) for utterance in utterances]
            return given, speaker.speak([piece for own in given if not isinstance(own, RowError) for piece in own])

        made = self._watched_run(work, f"{len(utterances)} utterances")
        if isinstance(made, Exception):
            raise EngineError(f"CosyVoice: {type(made).__name__}: {made}") from made
        pieces, said = made
        parts = iter(said)
        return [own if isinstance(own, RowError) else self._joined([next(parts) for _ in own]) for own in pieces]

    def _inputs(self, utterance: Utterance) -> list[Piece] | RowError:
        """What the library's frontend makes of each piece of `utterance`. Raises what broke the GPU."""
        self._watch.beat()
        try:
            with self._voice(utterance):
                texts = [part for piece in self._pieces(utterance.text) for part in self._normalized(piece)]
                given = [self._frontend_inputs(text) for text in texts]
        except Exception as error:
            if _broke_gpu(error):
                raise
            return RowError(f"CosyVoice: {type(error).__name__}: {error}")
        return [Piece(inputs, (utterance.seed, number), utterance.speed) for number, inputs in enumerate(given)]

    def _frontend_inputs(self, text: str) -> dict[str, Any]:
        if self._settings.prompted:
            return dict(self._frontend.frontend_zero_shot(text, "", None, self.sample_rate, _VOICE))
        if self._instruct is None:
            return dict(self._frontend.frontend_sft(text, _VOICE))
        instruct = self._frontend.text_normalize(
            self._instruct, split=False, text_frontend=self._settings.text_frontend
        )
        return dict(self._frontend.frontend_instruct(text, _VOICE, instruct))

    def _normalized(self, text: str) -> list[str]:
        return list(self._frontend.text_normalize(text, split=True, text_frontend=self._settings.text_frontend))

    def _joined(self, parts: Sequence[Float32 | RowError]) -> Audio | RowError:
        """One utterance of its pieces; the first that failed fails it."""
        for part in parts:
            if isinstance(part, RowError):
                return part
        return checked([part for part in parts if not isinstance(part, RowError)], self.sample_rate)

    @contextmanager
    def _voice(self, utterance: Utterance) -> Iterator[None]:
        """The utterance's voice in the library's table of speakers."""
        self._frontend.spk2info[_VOICE] = self._speaker(utterance)
        try:
            yield
        finally:
            self._frontend.spk2info.pop(_VOICE, None)

    def _utter(self, utterance: Utterance) -> Audio | RowError:
        """Runs in a thread of its own; raises what the library, its LLM thread included, raised."""
        self._llm_errors.clear()
        with self._voice(utterance):
            _seed(utterance.seed)
            parts = [part for piece in self._pieces(utterance.text) for part in self._run(piece, utterance.speed)]
        return checked(parts, self.sample_rate)

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


def _seed(seed: int) -> None:
    """Every generator that CosyVoice draws from; they are the process's own, so it speaks alone."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)  # of every GPU too


def _broke_gpu(error: BaseException) -> bool:
    import torch

    return "CUDA error" in str(error) and not isinstance(error, torch.cuda.OutOfMemoryError)
