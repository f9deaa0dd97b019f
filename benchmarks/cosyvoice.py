"""CosyVoice in batches against the library's own loop: the real code with random weights of the published size.

    python -m benchmarks.cosyvoice                        # versions 1 and 2, then whole utterances of version 1
    python -m benchmarks.cosyvoice --shortest 40 --longest 90 --rounds 1   # a quick look: no figures
    python -m benchmarks.cosyvoice --spans                # text to tokens against the full synthesis of the same spans
    python -m benchmarks.cosyvoice --device cuda --fp16   # on a GPU; without --fp16 in float32
    python -m benchmarks.cosyvoice --tiny --rounds 1      # toy sizes: proves only that it runs

Rows have 40 tokens of text, a voice of their own and a length that is drawn; with random weights no row ends by
itself, so the length is forced. In each round `--rows` rows are drawn. Ours decodes them, at most 8 at once; the
library's own `inference`, and ours alone (what its loop gains without a batch), speak the one of middle length, for the
library slows down as a row grows. The sides alternate; each figure is a median over the rounds. The library's whole
utterance is its `inference` of LLM and flow and its vocoder. Of a row's time, the share of each part is printed.
Float32, two threads; on a GPU also in half precision, as the library's models are with `fp16=True`: version 1's LLM and
both flows, the rest by autocast.

`--spans` measures what `kesc interleave` asks for, and nothing else: spans of 15 tokens of text and about 4 s of
speech, `--rows` of them in a batch of `--batch`, in turn as tokens alone and as speech, in versions 1 and 2. Both sides
decode the same tokens of the same spans; the second makes samples of them too. It has no bound.

Bounds, of a batch of 8 against the library: 5 times the tokens a second of version 1's LLM, 3 times version 2's, and
2 times as fast in whole utterances of version 1. Exit code 1 where one does not hold.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np

from benchmarks.bounds import Bounds
from benchmarks.cosyvoice_models import PUBLISHED, TINY, VOICE, Size, qwen_lm, version_1, version_2
from kespeechchat.engines.tts.cosyvoice_batch.decoding import Limits
from kespeechchat.engines.tts.cosyvoice_batch.language_model import Prefix
from kespeechchat.engines.tts.cosyvoice_batch.saying import Piece
from kespeechchat.engines.tts.cosyvoice_batch.speaking import BatchSpeaker
from kespeechchat.records import RowError

TEXT = 40  # text tokens of a row
SPAN = 15  # text tokens of a span of ten words
SECONDS = (3, 5)  # of a span's speech
RATES = {1: 50, 2: 25}  # speech tokens a second
BATCH = 8
CACHE = 8 * 2**30  # bytes
PARTS = ("llm", "flow", "vocoder")
PARTS_OF_MODEL = ("llm", "flow", "hift")


@dataclass(frozen=True)
class Row:
    """What one row is spoken from. `text`: int64 [1, n]; `voice`: float32 [1, 192]; `length`: speech tokens."""

    text: Any
    voice: Any
    length: int
    seed: int

    def piece(self) -> Piece:
        voice = {"llm_embedding": self.voice, "flow_embedding": self.voice}
        return Piece({"text": self.text, "length": self.length, **voice}, (self.seed,))


@dataclass(frozen=True)
class Place:
    """Where both sides compute. `half`: in half precision, as the library does it."""

    device: str = "cpu"
    half: bool = False

    def of(self, model: Any, halved: Sequence[str]) -> Any:
        """The model, put there; `halved`: its parts that the library halves."""
        for part in PARTS_OF_MODEL:
            getattr(model, part).to(self.device)
        for part in halved if self.half else ():
            getattr(model, part).half()
        model.fp16 = self.half
        return model

    def tensor(self, value: Any) -> Any:
        import torch

        return torch.as_tensor(value, device=self.device)

    def precision(self) -> AbstractContextManager[Any]:
        import torch

        return torch.autocast("cuda", enabled=self.half)

    def now(self) -> float:
        """Seconds, when all is done that was begun there."""
        import torch

        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="alternations; each figure is their median")
    parser.add_argument("--rows", type=int, default=16, help="rows of ours that a round decodes in batches")
    parser.add_argument("--shortest", type=int, default=200, help="speech tokens of a row, at least")
    parser.add_argument("--longest", type=int, default=500, help="and at most")
    parser.add_argument("--spans", action="store_true", help="text to tokens against full synthesis, and nothing else")
    parser.add_argument("--batch", type=int, default=BATCH, help="of --spans: rows decoded at once")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--fp16", action="store_true", help="on a GPU: half precision")
    parser.add_argument("--tiny", action="store_true", help="toy sizes: proves only that this runs")
    options = parser.parse_args()
    import torch

    if options.fp16 and options.device == "cpu":
        parser.error("--fp16 needs --device cuda: on a CPU the library drops it")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch sees no GPU here")
    return measure(options, TINY if options.tiny else PUBLISHED)


def measure(options: argparse.Namespace, size: Size) -> int:
    """The exit code: 1 where a bound does not hold."""
    import torch

    torch.set_num_threads(2)
    torch.manual_seed(0)
    bounds, draw = Bounds(), np.random.default_rng(0)
    place = Place(options.device, options.fp16)
    if options.device == "cuda":
        print(f"{torch.cuda.get_device_name()}; torch {torch.__version__}; {'fp16' if options.fp16 else 'float32'}")
    if options.spans:
        for version, made, halved in ((1, version_1, ("llm", "flow")), (2, version_2, ("flow",))):
            _spans(version, place.of(made(size), halved), options, size, draw, bounds, place)
        return 0

    def rows(count: int) -> list[Row]:
        return [_row(draw, size, options.shortest, options.longest, place) for _ in range(count)]

    one = place.of(version_1(size), ("llm", "flow"))
    _tokens("version 1", one, options, rows, bounds, 5, place)
    _whole(one, options, rows, bounds, place)
    del one
    two = place.of(version_2_parts(qwen_lm(size), size), ("flow",))
    _tokens("version 2", two, options, rows, bounds, 3, place)
    return bounds.close()


def version_2_parts(llm: Any, size: Size) -> Any:
    """Beside version 2's LLM the flow and vocoder of version 1, which its figures do not use."""
    parts = version_1(replace(size, layers=1, text_layers=1, words=9, blocks=1, middle=1, flow_layers=1, vocoder=16))
    parts.llm = llm
    return parts


def _row(
    draw: np.random.Generator, size: Size, shortest: int, longest: int, place: Place, text_tokens: int = TEXT
) -> Row:
    text = place.tensor(draw.integers(0, min(size.words, size.qwen_words), (1, text_tokens)))
    voice = place.tensor(draw.standard_normal((1, VOICE)).astype(np.float32))
    return Row(text, voice, int(draw.integers(shortest, longest + 1)), int(draw.integers(2**31)))


def _tokens(
    name: str,
    model: Any,
    options: argparse.Namespace,
    rows: Callable[[int], list[Row]],
    bounds: Bounds,
    least: float,
    place: Place,
) -> None:
    """Speech tokens a second of the LLM on each side; ours at a batch of 8 must be `least` times the library's."""
    many, single = speaker(model, BATCH), speaker(model, 1)
    sides: dict[str, Callable[[list[Row]], int]] = {
        "the library's loop": lambda drawn: len(library_tokens(model.llm, middle(drawn), place)),
        "ours, one row": lambda drawn: _said(single, [middle(drawn)]),
        f"ours, a batch of {BATCH}": lambda drawn: _said(many, drawn),
    }
    rates: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(options.rounds):
        drawn = rows(options.rows)
        for side, run in sides.items():
            begun = place.now()
            count = run(drawn)
            rates[side].append(count / (place.now() - begun))
    (library, theirs), (one, ours), (batch, together) = ((side, median(found)) for side, found in rates.items())
    bounds.compare((f"{name}: {one}", ours), (library, theirs), "tokens/s")
    bounds.at_least(f"{name}: {batch} {together:.3g} tokens/s, {library} {theirs:.3g}, ratio", together / theirs, least)


def _whole(
    model: Any, options: argparse.Namespace, rows: Callable[[int], list[Row]], bounds: Bounds, place: Place
) -> None:
    """Whole utterances of version 1: seconds of work for a speech token, and each part's share of them."""
    theirs: list[dict[str, float]] = []
    ours: list[dict[str, float]] = []
    for _ in range(options.rounds):
        drawn = rows(BATCH)
        theirs.append(library_whole(model, [middle(drawn)], place))
        ours.append(our_whole(model, drawn, place))
    costs = {}
    for side, found in (("the library", theirs), (f"ours, a batch of {BATCH}", ours)):
        parts = {part: median(each[part] for each in found) for part in PARTS}
        costs[side] = median(sum(each.values()) for each in found)
        shares = ", ".join(f"{part} {parts[part] / sum(parts.values()):.0%}" for part in PARTS)
        print(f"version 1, whole utterances, {side}: {costs[side] * 1000:.3g} ms a token ({shares})", flush=True)
    library, batch = costs.values()
    bounds.at_least("version 1: whole utterances, times the library's speed", library / batch, 2)


def middle(rows: Sequence[Row]) -> Row:
    """The one of middle length."""
    return sorted(rows, key=lambda row: row.length)[len(rows) // 2]


def _spans(
    version: int,
    model: Any,
    options: argparse.Namespace,
    size: Size,
    draw: np.random.Generator,
    bounds: Bounds,
    place: Place,
) -> None:
    """Speech tokens a second of the LLM alone, and of LLM, flow and vocoder, on the same spans."""
    ours, rate = speaker(model, options.batch), RATES[version]
    alone: list[float] = []
    spoken: list[float] = []
    for _ in range(options.rounds):
        rows = [_row(draw, size, SECONDS[0] * rate, SECONDS[1] * rate, place, SPAN) for _ in range(options.rows)]
        pieces = [row.piece() for row in rows]
        begun = place.now()
        tokens = _tokens_of(ours, pieces)
        half = place.now()
        again = _tokens_of(ours, pieces)
        made = ours.audio(pieces, again)
        ended = place.now()
        if again != tokens or any(isinstance(one, RowError) for one in made):
            raise RuntimeError("the two sides said other tokens, or a span was not spoken")
        count = sum(map(len, tokens))
        alone.append(count / (half - begun))
        spoken.append(count / (ended - half))
    name = f"version {version}, spans in a batch of {options.batch}"
    bounds.compare((f"{name}: text to tokens", median(alone)), ("full synthesis", median(spoken)), "tokens/s")
    print(f"{name}: {median(alone) / rate:.3g} s of speech a second as tokens, {median(spoken) / rate:.3g} s as audio")


def speaker(model: Any, batch: int) -> BatchSpeaker:
    """Ours over `model`, with the lengths of its rows forced."""
    made = BatchSpeaker(model, Limits(batch, CACHE), 1)
    free = made.llm.prefix

    def prefix(inputs: Any) -> Prefix:
        return replace(free(inputs), least=inputs["length"], most=inputs["length"])

    made.llm.prefix = prefix  # type: ignore[method-assign]
    return made


def _said(ours: BatchSpeaker, rows: Sequence[Row]) -> int:
    return sum(map(len, _tokens_of(ours, [row.piece() for row in rows])))


def _tokens_of(ours: BatchSpeaker, pieces: Sequence[Piece]) -> list[list[int]]:
    tokens = [said for said in ours.say(pieces) if isinstance(said, list)]
    if [len(said) for said in tokens] != [piece.inputs["length"] for piece in pieces]:
        raise RuntimeError("a row failed or has another length than it was given")
    return tokens


def library_tokens(llm: Any, row: Row, place: Place) -> list[int]:
    """Speech tokens of the library's own loop."""
    import torch

    nothing, none = place.tensor(torch.zeros(1, 0, dtype=torch.int64)), place.tensor([0])
    ratio = (row.length + 0.5) / TEXT
    limits = {"min_token_text_ratio": ratio, "max_token_text_ratio": ratio}
    given = (row.text, place.tensor([TEXT]), nothing, none, nothing, none, row.voice)
    with place.precision():
        said = [int(token) for token in llm.inference(*given, **limits)]
    if len(said) != row.length:
        raise RuntimeError(f"the library said {len(said)} tokens and was given {row.length} to say")
    return said


def library_whole(model: Any, rows: Sequence[Row], place: Place) -> dict[str, float]:
    """Seconds a token in each part, of the library's own methods."""
    import torch

    nothing, none = place.tensor(torch.zeros(1, 0, dtype=torch.int64)), place.tensor([0])
    feat, cache = place.tensor(torch.zeros(1, 0, 80)), place.tensor(torch.zeros(1, 80, 0, 2))
    count = sum(row.length for row in rows)
    spent = dict.fromkeys(PARTS, 0.0)
    for row in rows:
        times = [place.now()]
        tokens = place.tensor([library_tokens(model.llm, row, place)])
        times.append(place.now())
        given = (tokens, place.tensor([tokens.shape[1]]), nothing, none, feat, none, row.voice)
        with place.precision():
            mel, _ = model.flow.inference(*given, flow_cache=cache)
        times.append(place.now())
        model.hift.inference(speech_feat=mel.float())
        times.append(place.now())
        for part, before, after in zip(PARTS, times, times[1:], strict=False):
            spent[part] += (after - before) / count
    return spent


def our_whole(model: Any, rows: Sequence[Row], place: Place) -> dict[str, float]:
    """The same of ours; all rows go through the LLM together."""
    import torch

    ours, count = speaker(model, BATCH), sum(row.length for row in rows)
    pieces = [row.piece() for row in rows]
    begun = place.now()
    tokens = _tokens_of(ours, pieces)
    spent = {"llm": (place.now() - begun) / count, "flow": 0.0, "vocoder": 0.0}
    begun = place.now()
    with torch.inference_mode():
        for number, mel in ours._mels(pieces, dict(enumerate(tokens))):
            middle = place.now()
            ours._samples(pieces[number], mel)  # type: ignore[arg-type]
            spent["flow"] += (middle - begun) / count
            begun = place.now()
            spent["vocoder"] += (begun - middle) / count
    return spent


if __name__ == "__main__":
    sys.exit(main())
