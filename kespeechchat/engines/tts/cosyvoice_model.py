"""A loaded CosyVoice, and what speaking with it shares with saying tokens by it.

A virtual voice is put into the library's table of speakers for one call; nothing is ever written to its `spk2info.pt`.
A call may hang (a GPU that does not answer). It runs in a daemon thread with a time limit; a thread cannot be killed,
so past the limit the engine is dead for this process: `EngineDead`, now and at every later call. After a CUDA error
nothing on that GPU context works any more: `EngineDead` too; out of memory is the row's own fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

import numpy as np

from kespeechchat.config.engines import CosyVoiceModelSettings
from kespeechchat.engines import EngineDead, EngineError
from kespeechchat.engines.models import identify, resolve
from kespeechchat.engines.tts import Utterance, cannot_be_told
from kespeechchat.engines.tts import cosyvoice_library as library
from kespeechchat.engines.tts import cosyvoice_prompts as prompts
from kespeechchat.engines.tts.cosyvoice_batch.decoding import Limits
from kespeechchat.engines.tts.cosyvoice_batch.saying import Piece
from kespeechchat.engines.tts.cosyvoice_checks import defect
from kespeechchat.engines.tts.cosyvoice_text import pieces
from kespeechchat.engines.tts.cosyvoice_watch import Hung, Watch
from kespeechchat.records import Language, RowError

VOICE = "kespeechchat-virtual"  # the one name under which voices pass through the library's table
Part = TypeVar("Part")
Whole = TypeVar("Whole")


class CosyVoiceModel:
    """The library's model over a folder, for voices that come with each utterance."""

    languages: ClassVar[tuple[Language, ...]] = ("zh", "en")

    def __init__(self, settings: CosyVoiceModelSettings) -> None:
        self._settings = settings
        folder = resolve(settings.model)
        library.check_folder(folder, settings.version)
        self._device = library.check_device(settings)
        self._cosyvoice = library.load(folder, settings)
        self._frontend, self._model = self._cosyvoice.frontend, self._cosyvoice.model
        self._voice_size = library.embedding_size(self._cosyvoice)
        self._instructions = self._own_instruction()
        self._dead: str | None = None
        self._watch = Watch()

    def identity(self) -> dict[str, str]:
        """The model, a digest of the library's code, and the versions of what it runs on."""
        from importlib.metadata import version

        libraries = {name: version(name) for name in ("torch", "transformers", "onnxruntime")}
        return {"model": identify(self._settings.model), "cosyvoice": library.source_digest(), **libraries}

    def _limits(self) -> Limits:
        cache = int(self._settings.cache_gigabytes * 2**30)
        return Limits(self._settings.batch, cache, broke_gpu)

    def _refuse(self, utterance: Utterance) -> None:
        """Raises EngineDead or EngineError for what no other row could cure."""
        if self._dead:
            raise EngineDead(self._dead)
        if utterance.language not in self.languages:
            raise EngineError(f"CosyVoice speaks {', '.join(self.languages)} here, not {utterance.language!r}")
        if why := cannot_be_told(utterance, self._settings):
            raise EngineError(f"CosyVoice in mode: {self._settings.mode} {why}")
        if not self._settings.prompted and np.shape(utterance.embedding) != (self._voice_size,):
            raise EngineError(
                f"voice embedding of shape {np.shape(utterance.embedding)}: this CosyVoice model needs "
                f"({self._voice_size},); were these voices made for another TTS? Build the voice library with the "
                "profile's own `embedder` (campplus)"
            )

    def _batched(
        self,
        utterances: Sequence[Utterance],
        work: Callable[[Sequence[Piece]], list[Part | RowError]],
        join: Callable[[Sequence[Part]], Whole | RowError],
    ) -> list[Whole | RowError]:
        """What `join` makes of each utterance's pieces after `work`, which gets the pieces of all of them together. A
        RowError for a text with nothing to speak or with control marks, a broken embedding or a speed out of 0.5–2."""
        for utterance in utterances:
            self._refuse(utterance)
        defects = [defect(u, self._settings.prompted) for u in utterances]
        sound = [u for u, bad in zip(utterances, defects, strict=True) if bad is None]
        made = iter(self._together(sound, work, join) if sound else ())
        return [bad or next(made) for bad in defects]

    def _together(
        self,
        utterances: Sequence[Utterance],
        work: Callable[[Sequence[Piece]], list[Part | RowError]],
        join: Callable[[Sequence[Part]], Whole | RowError],
    ) -> list[Whole | RowError]:
        """All of them in one batch; an exception that is no row's own makes the engine useless."""

        def watched() -> tuple[list[list[Piece] | RowError], list[Part | RowError]]:
            given = [self._inputs(utterance) for utterance in utterances]
            return given, work([piece for own in given if not isinstance(own, RowError) for piece in own])

        made = self._watched_run(watched, f"{len(utterances)} utterances")
        if isinstance(made, Exception):
            raise EngineError(f"CosyVoice: {type(made).__name__}: {made}") from made
        pieces, said = made
        parts = iter(said)
        return [own if isinstance(own, RowError) else _joined([next(parts) for _ in own], join) for own in pieces]

    def _watched_run(self, work: Callable[[], Any], text: str) -> Any:
        """What `work` returns, or the exception that it raised; EngineDead where it hangs or broke the GPU."""
        if self._dead:
            raise EngineDead(self._dead)
        try:
            return self._watch.run(work, self._settings.seconds_per_utterance_limit)
        except Hung as error:
            raise self._die(f"CosyVoice {error} on {text[:40]!r}") from error
        except Exception as error:
            if broke_gpu(error):
                raise self._die(f"CosyVoice's GPU context is broken: {error}") from error
            return error

    def _inputs(self, utterance: Utterance) -> list[Piece] | RowError:
        """What the library's frontend makes of each piece of `utterance`. Raises what broke the GPU."""
        self._watch.beat()
        try:
            with self._voice(utterance):
                texts = [part for piece in self._pieces(utterance.text) for part in self._normalized(piece)]
                told = self._told(utterance)
                given = [self._frontend_inputs(text, told) for text in texts]
        except Exception as error:
            if broke_gpu(error):
                raise
            return RowError(f"CosyVoice: {type(error).__name__}: {error}")
        return [Piece(inputs, (utterance.seed, number), utterance.speed) for number, inputs in enumerate(given)]

    def _frontend_inputs(self, text: str, told: str | None) -> dict[str, Any]:
        if self._settings.prompted:
            return dict(self._frontend.frontend_zero_shot(text, "", None, self._cosyvoice.sample_rate, VOICE))
        if told is None:
            return dict(self._frontend.frontend_sft(text, VOICE))
        instruct = self._frontend.text_normalize(told, split=False, text_frontend=self._settings.text_frontend)
        return dict(self._frontend.frontend_instruct(text, VOICE, instruct))

    def _normalized(self, text: str) -> list[str]:
        return list(self._frontend.text_normalize(text, split=True, text_frontend=self._settings.text_frontend))

    @contextmanager
    def _voice(self, utterance: Utterance) -> Iterator[None]:
        """The utterance's voice in the library's table of speakers."""
        self._frontend.spk2info[VOICE] = self._speaker(utterance)
        try:
            yield
        finally:
            self._frontend.spk2info.pop(VOICE, None)

    def _speaker(self, utterance: Utterance) -> dict[str, Any]:
        """The entry of the library's table of speakers."""
        import torch

        if self._settings.prompted:
            assert utterance.prompt is not None
            return prompts.speaker(self._cosyvoice, utterance.prompt, self._settings.text_frontend)
        embedding = torch.from_numpy(np.array(utterance.embedding, dtype=np.float32))[None]
        return {"embedding": embedding.to(self._frontend.device)}

    def _pieces(self, text: str) -> list[str]:
        if self._settings.text_frontend:
            return [text]

        def count(part: str) -> int:
            return len(self._frontend.tokenizer.encode(part, allowed_special=self._frontend.allowed_special))

        return pieces(text, count, self._settings.piece_tokens)

    def _told(self, utterance: Utterance) -> str | None:
        """The utterance's instruction, or that of the settings, as the library needs it; None in a mode without one.
        The utterance's voice must be in the table."""
        text = utterance.instruct or self._settings.instruct_text
        if text is None:
            return None
        if text not in self._instructions:
            self._instructions[text] = library.instruction(self._cosyvoice, text, VOICE)
        return self._instructions[text]

    def _own_instruction(self) -> dict[str, str]:
        """The settings' instruction, where there is one, with its form that the library needs."""
        import torch

        text = self._settings.instruct_text
        if text is None:
            return {}
        self._frontend.spk2info[VOICE] = {"embedding": torch.zeros(1, self._voice_size)}
        try:
            return {text: library.instruction(self._cosyvoice, text, VOICE)}
        finally:
            self._frontend.spk2info.pop(VOICE, None)

    def _die(self, why: str) -> EngineDead:
        self._dead = f"{why}; this process must be started again"
        return EngineDead(self._dead)


def _joined(parts: Sequence[Part | RowError], join: Callable[[Sequence[Part]], Whole | RowError]) -> Whole | RowError:
    """One utterance of its pieces; the first that failed fails it."""
    for part in parts:
        if isinstance(part, RowError):
            return part
    return join([part for part in parts if not isinstance(part, RowError)])


def broke_gpu(error: BaseException) -> bool:
    """Whether the GPU context is lost with it."""
    import torch

    return "CUDA error" in str(error) and not isinstance(error, torch.cuda.OutOfMemoryError)
