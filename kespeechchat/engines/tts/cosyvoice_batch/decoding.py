"""Speech tokens of many rows at once: rows of unlike length, and a waiting row takes the place of one that has ended.

What one row gets depends on its neighbours by rounding alone. A row whose prefix raises, or whose logits are not
finite, costs itself. An exception in a step belongs to no row: all that were under way are then decoded again, each
alone.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kespeechchat.engines.tts.cosyvoice_batch.cache import Cache
from kespeechchat.engines.tts.cosyvoice_batch.language_model import LanguageModel, Prefix
from kespeechchat.engines.tts.cosyvoice_batch.sampling import Choice, Speaking
from kespeechchat.records import RowError

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ask:
    """A row to decode: what the library's frontend made of it, and the seed of its draws."""

    inputs: Mapping[str, Any]
    seed: Sequence[int]

    def draws(self) -> np.random.Generator:
        """A fresh generator: whoever decodes the row again draws the same numbers."""
        return np.random.default_rng(self.seed)


@dataclass(frozen=True)
class Limits:
    """`batch`: rows at once. `cache_bytes`: of keys and values. `fatal`: whether an exception ends the whole engine."""

    batch: int
    cache_bytes: int
    fatal: Callable[[BaseException], bool] = field(default=lambda error: False)


def decode(
    llm: LanguageModel, asks: Sequence[Ask], choose: Choice, limits: Limits, beat: Callable[[], None] = lambda: None
) -> list[list[int] | RowError]:
    """Speech tokens of each ask, in their order. `beat` is called after each step, for whoever watches for a hang.

    Raises what `limits.fatal` calls fatal.
    """
    import torch

    with torch.inference_mode():
        loop = _Loop(llm, asks, choose, limits, beat)
        loop.run()
        for number in loop.suspects:
            alone = _Loop(llm, [asks[number]], choose, limits, beat)
            alone.run(alone=True)
            loop.results[number] = alone.results[0]
    return [loop.results[number] for number in range(len(asks))]


@dataclass
class _Row(Speaking):
    number: int = -1


class _Loop:
    """One run over some asks. `results`: by their number; `suspects`: those under way when a step raised."""

    def __init__(
        self, llm: LanguageModel, asks: Sequence[Ask], choose: Choice, limits: Limits, beat: Callable[[], None]
    ) -> None:
        self._llm, self._asks, self._choose, self._limits, self._beat = llm, asks, choose, limits, beat
        self._waiting = deque(range(len(asks)))
        self._rows: list[_Row] = []
        self._hidden: torch.Tensor | None = None  # [active rows, D]
        self._cache: Cache | None = None
        self._prefix: Prefix | None = None  # of the first waiting row, once it was asked for
        self.results: dict[int, list[int] | RowError] = {}
        self.suspects: list[int] = []

    def run(self, alone: bool = False) -> None:
        """Until no row is left. `alone`: there is one row only, so an exception is its own."""
        while self._waiting or self._rows:
            try:
                self._admit()
                if self._rows:
                    self._say()
            except Exception as error:
                if self._limits.fatal(error):
                    raise
                self._abandon(error, alone)
            self._beat()

    def _admit(self) -> None:
        """Waiting rows, in their order, while there is room for them."""
        while self._waiting and len(self._rows) < self._limits.batch:
            number = self._waiting[0]
            try:
                prefix = self._prefix = self._prefix or self._llm.prefix(self._asks[number].inputs)
                if not self._fits(prefix):
                    if self._rows:
                        return
                    raise MemoryError(self._too_long(prefix))
                self._enter(number, prefix)
                self._beat()
            except Exception as error:
                if self._limits.fatal(error):
                    raise
                self.results[number] = broken(error)
            self._waiting.popleft()
            self._prefix = None

    def _enter(self, number: int, prefix: Prefix) -> None:
        import torch

        filled = self._llm.prefill(prefix)
        if not bool(torch.isfinite(filled.hidden).all()):
            raise ValueError("the LLM gives NaN or infinite numbers for this text and voice")
        self._cache = self._cache or Cache(self._llm.shape())
        self._cache.admit(filled.keys, filled.values, self._room(prefix))
        hidden = filled.hidden[None]
        self._hidden = hidden if self._hidden is None else torch.cat([self._hidden, hidden])
        self._rows.append(_Row(prefix.least, prefix.most, self._asks[number].draws(), number=number))

    def _say(self) -> None:
        """One token in each active row; those that it ends leave, the others take the next step."""
        import torch

        assert self._hidden is not None and self._cache is not None
        logits = self._llm.logits(self._hidden)
        finite = torch.isfinite(logits).all(dim=-1).tolist()
        if not all(finite):
            logits = torch.nan_to_num(logits)
        tokens = self._choose(logits, self._rows, self._llm.end)
        for place in range(len(self._rows) - 1, -1, -1):
            if self._ends(self._rows[place], tokens[place], finite[place]):
                self._rows[place], tokens[place] = self._rows[-1], tokens[-1]
                self._rows.pop(), tokens.pop()
                self._cache.drop(place)
        self._hidden = None
        if self._rows:
            self._hidden = self._llm.step(torch.tensor(tokens, device=logits.device), self._cache)

    def _ends(self, row: _Row, token: int, finite: bool) -> bool:
        """Takes `token` into `row`; whether that was its last, and its result is there."""
        if not finite:
            self.results[row.number] = broken(ValueError(f"the LLM gave NaN after {len(row.tokens)} tokens"))
            return True
        if token < self._llm.end:
            row.tokens.append(token)
            if len(row.tokens) < row.most:
                return False
        self.results[row.number] = row.tokens or broken(ValueError("the LLM said nothing"))
        return True

    def _abandon(self, error: Exception, alone: bool) -> None:
        numbers = [row.number for row in self._rows]
        if alone:
            self.results[numbers[0]] = broken(error)
        else:
            self.suspects += numbers
            _log.warning("CosyVoice: a step of %d rows failed (%s); each is decoded alone", len(numbers), error)
        self._rows, self._hidden, self._cache = [], None, None

    def _columns(self, prefix: Prefix) -> int:
        """The most positions that any active row, or a new one with `prefix`, can reach."""
        under_way = [
            length + row.most - len(row.tokens)
            for length, row in zip(self._cache.lengths if self._cache else (), self._rows, strict=True)
        ]
        return max([prefix.embedded.shape[1] + prefix.most, *under_way])

    def _fits(self, prefix: Prefix) -> bool:
        taken = self._llm.shape().bytes(len(self._rows) + 1, self._columns(prefix))
        return taken <= self._limits.cache_bytes

    def _room(self, prefix: Prefix) -> int:
        """Rows to make room for at once: as many as the batch, the waiting rows and the memory allow."""
        wanted = min(self._limits.batch, len(self._rows) + len(self._waiting))
        fitting = self._limits.cache_bytes // self._llm.shape().bytes(1, self._columns(prefix))
        return min(wanted, fitting)

    def _too_long(self, prefix: Prefix) -> str:
        needed = self._llm.shape().bytes(1, self._columns(prefix)) / 2**30
        return f"a row this long needs {needed:.2f} GiB of keys and values; raise cache_gigabytes"


def broken(error: BaseException) -> RowError:
    """What a row is told that raised `error`."""
    return RowError(f"CosyVoice: {type(error).__name__}: {error}")
