"""Utterances in a batch, from what the library's frontend made of them to samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.tts.cosyvoice_batch.decoding import Limits, broken
from kespeechchat.engines.tts.cosyvoice_batch.flow import Flow, groups
from kespeechchat.engines.tts.cosyvoice_batch.saying import BatchSayer, Piece
from kespeechchat.engines.tts.cosyvoice_batch.vocoder import samples
from kespeechchat.records import RowError

if TYPE_CHECKING:
    import torch

Made = TypeVar("Made")


class SpokenPiece(NamedTuple):
    """A piece's samples, float32 [T], and the speech tokens that they were made from."""

    samples: Float32
    tokens: Sequence[int]


class BatchSpeaker(BatchSayer):
    """The LLM with continuous batching, the flow in groups of alike lengths, the vocoder row by row."""

    def __init__(self, model: Any, limits: Limits, flow_frames: int, beat: Callable[[], None] = lambda: None) -> None:
        """`model`: the library's CosyVoiceModel or CosyVoice2Model. `flow_frames`: of a group, padding included.

        Raises EngineError for a version of the library that this was not tested with.
        """
        super().__init__(model, limits, beat)
        self._frames, self.flow = flow_frames, Flow(model.flow)

    def speak(self, pieces: Sequence[Piece]) -> list[SpokenPiece | RowError]:
        """Each piece spoken; a RowError for one that fails. Raises what `limits` call fatal."""
        tokens = self.say(pieces)
        return [_spoken(*one) for one in zip(self.audio(pieces, tokens), tokens, strict=True)]

    def audio(self, pieces: Sequence[Piece], tokens: Sequence[list[int] | RowError]) -> list[Float32 | RowError]:
        """Samples of each piece, given its speech tokens."""
        import torch

        out: list[Float32 | RowError] = [said if isinstance(said, RowError) else RowError("not run") for said in tokens]
        spoken = {number: said for number, said in enumerate(tokens) if not isinstance(said, RowError)}
        with torch.inference_mode():
            for number, mel in self._mels(pieces, spoken):
                out[number] = mel if isinstance(mel, RowError) else self._try(self._samples, pieces[number], mel)
                self._beat()
        return out

    def _samples(self, piece: Piece, mel: torch.Tensor) -> Float32:
        return samples(self._model.hift, mel, piece.speed, piece.part_seed(1))

    def _mels(
        self, pieces: Sequence[Piece], spoken: Mapping[int, list[int]]
    ) -> Iterator[tuple[int, torch.Tensor | RowError]]:
        """Spectrograms by the number of their piece; where a group raises, each of its rows is solved alone."""
        numbers = list(spoken)
        frames = [self.flow.frames(len(spoken[number]), pieces[number].inputs) for number in numbers]
        for places in groups(frames, self._frames):
            group = [numbers[place] for place in places]
            mels = self._try(self._solve, [(pieces[number], spoken[number]) for number in group])
            if not isinstance(mels, RowError):
                yield from zip(group, mels, strict=True)
                continue
            for number in group:
                alone = mels if len(group) == 1 else self._try(self._solve, [(pieces[number], spoken[number])])
                yield number, alone if isinstance(alone, RowError) else alone[0]

    def _solve(self, rows: Sequence[tuple[Piece, list[int]]]) -> list[torch.Tensor]:
        with self._precision():
            return self.flow.solve([self.flow.conditions(said, p.inputs, p.part_seed(0)) for p, said in rows])

    def _try(self, work: Callable[..., Made], *args: Any) -> Made | RowError:
        try:
            return work(*args)
        except Exception as error:
            if self._limits.fatal(error):
                raise
            return broken(error)


def _spoken(samples: Float32 | RowError, tokens: Sequence[int] | RowError) -> SpokenPiece | RowError:
    """A piece whose tokens failed has no samples either."""
    if isinstance(samples, RowError):
        return samples
    assert not isinstance(tokens, RowError)
    return SpokenPiece(samples, tokens)
