"""`kesc interleave`: what it does beside building its stages, which is `execution`'s: a codebook before them, the
sequences after them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kespeechchat.commands.interleave.card import summary_lines, write_card
from kespeechchat.commands.interleave.codebook import fit_codebook
from kespeechchat.commands.interleave.sequences import check_folder, write_sequences
from kespeechchat.config.load import NO_INTERLEAVE, ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.codebooks import pin_tokenizer, unfitted, with_codebooks
from kespeechchat.state.model_digests import with_model_digests
from kespeechchat.store.interface import ObjectStore


def of_interleave(pipeline: Pipeline, to: str | None = None) -> Pipeline:
    """`pipeline` for its other chain of stages. Raises ConfigError where it has none, or where there is no place for
    the sequences, or other files are in it."""
    if pipeline.interleave is None:
        raise ConfigError(NO_INTERLEAVE)
    check_folder(_folder(pipeline, to))
    return pipeline.of_chain("interleave")


def prepared(
    pipeline: Pipeline, store: ObjectStore, tell: Callable[[str], None], replace_tokens: bool = False
) -> Pipeline:
    """`pipeline` with its codebook, which is fitted on ROOT's speech where it is to be and is not there. Raises
    ConfigError where that speech is missing, or where ROOT's tokens are of another tokenizer."""
    assert pipeline.interleave is not None
    name = pipeline.interleave.stages.interleaved.tokens
    if unfitted(pipeline, name):
        tell(fit_codebook(pipeline.of_chain("dialogues"), store, name))
    pipeline = with_model_digests(with_codebooks(pipeline))
    pin_tokenizer(store, pipeline, replace_tokens)
    return pipeline


def written(pipeline: Pipeline, store: ObjectStore, to: str | None = None) -> str:
    """Writes the sequences that are done, with their card, and returns what to tell the user."""
    folder = _folder(pipeline, to)
    counted = write_sequences(BuildState(pipeline, store), folder)
    write_card(pipeline, counted, folder)
    return "\n".join(summary_lines(counted, folder))


def _folder(pipeline: Pipeline, to: str | None) -> Path:
    if to is None and "://" in pipeline.root:
        raise ConfigError("--to: ROOT is an object store: name the folder that the sequences are to be written to")
    return Path(to) if to is not None else Path(pipeline.root) / "sequences"
