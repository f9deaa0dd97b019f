"""The card and the vocabulary of a set of sequences, and the lines that a user is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kespeechchat.commands.interleave.sequences import Counted
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.display import counted as shown
from kespeechchat.display import hours
from kespeechchat.whole_file import write_json, write_text


def write_card(pipeline: Pipeline, counted: Counted, to: Path) -> None:
    """Writes README.md and tokens.json, where there is a sequence."""
    assert pipeline.interleave is not None
    if not counted.codebooks:
        return
    ((rate, codebooks, size),) = counted.codebooks
    marks = pipeline.interleave.marks
    vocabulary = {
        "begin": marks.begin,
        "end": marks.end,
        "token": marks.token,
        "codebooks": codebooks,
        "size": size,
        "frames_per_second": rate,
        "engine": pipeline.interleave.stages.interleaved.tokens,
        "identity": counted.engines.get("interleaved.tokens", {}),
    }
    write_json(to / "tokens.json", vocabulary)
    write_text(to / "README.md", "\n".join(_card(pipeline, counted, rate, size, codebooks)) + "\n")


def summary_lines(counted: Counted, to: Path) -> Iterator[str]:
    """What was written, for the user."""
    of_languages = ", ".join(f"{count:,} {language}" for language, count in sorted(counted.sequences.items()))
    count = f"{sum(counted.sequences.values()):,} ({of_languages or 'none'})"
    yield f"sequences: {count}, {counted.spans:,} spans of speech"
    if counted.words:
        share = f"{counted.spoken_words / counted.words:.1%} of {counted.words:,} words"
        yield f"speech:    {share}, {counted.tokens:,} tokens, {hours(counted.seconds / 3600)} h of audio behind them"
    if counted.rejected:
        yield f"rejected:  {_reasons(counted)}"
    if counted.missing:
        yield f"missing:   {shown(counted.missing, 'shard')} not made yet; run the same command to go on"
    yield f"written:   {to}"


def _reasons(counted: Counted) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in counted.rejected.most_common())


def _card(pipeline: Pipeline, counted: Counted, rate: float, size: int, codebooks: int) -> Iterator[str]:
    assert pipeline.interleave is not None
    interleave = pipeline.interleave
    spans, made = interleave.stages.spans, interleave.stages.interleaved
    yield f"# {pipeline.name}: interleaved text and speech tokens"
    yield ""
    yield "Documents in which some spans of words are replaced by speech tokens, after arXiv 2411.17607."
    yield f"Load `data/*.parquet` or `sequences-*.jsonl`; `tokens.json` lists the marks `{interleave.marks.token}`."
    yield ""
    yield "| | |"
    yield "|---|---|"
    for language, count in sorted(counted.sequences.items()):
        yield f"| sequences, {language} | {count:,} |"
    yield f"| words, of them speech | {counted.words:,}, {counted.spoken_words / max(1, counted.words):.1%} |"
    yield f"| spans, mean length | {counted.spans:,}, {counted.spoken_words / max(1, counted.spans):.1f} words |"
    yield f"| spans drawn that no voice could say; they stay text | {counted.unspeakable:,} |"
    yield f"| tokens | {counted.tokens:,}, {rate:g} frames a second, {codebooks} codebook(s) of {size:,} |"
    yield f"| different tokens that occur | {len(counted.used):,} |"
    yield f"| voices | {len(counted.voices):,} |"
    yield f"| documents rejected | {_reasons(counted) or 'none'}; {counted.failed:,} failed |"
    yield ""
    yield "## How it was made"
    yield f"Span lengths are drawn from a Poisson distribution of mean {spans.mean_words:g} words, until the spans hold"
    yield f"{spans.ratio:g} of a document's words; each span has a voice of its own, drawn by a hash. All other text is"
    yield "the document's own, unchanged and in order."
    yield ""
    yield from _origin(pipeline, made.tokens, made.tts)
    yield ""
    yield "## Engines"
    for name, identity in sorted(counted.engines.items()):
        yield f"- {name}: " + ", ".join(f"{key} {value}" for key, value in sorted(identity.items()))


def _origin(pipeline: Pipeline, tokens: str, tts: str | None) -> Iterator[str]:
    """What the tokens come from, and what they are not."""
    engine = pipeline.engine("tokens", tokens)
    if tts is None:
        yield f"The tokens come from the text itself (`{engine.use}`); no audio was made, so none was heard or marked."
    else:
        yield f"The tokens come through audio: `{pipeline.engine('tts', tts).use}` spoke each span, and `{engine.use}`"
        yield "heard it. The audio was not kept. It carried no watermark, and the tokens carry none."
    if engine.use == "whisper":
        yield "The tokenizer is an untrained one: averages of a Whisper encoder's vectors and k-means. The paper's is"
        yield "trained as a recognizer with its codebook inside; no vocoder was trained to speak from these tokens."
