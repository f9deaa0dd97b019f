"""The codebooks of tokens engines that are fitted on ROOT's own speech, and the tokenizer that ROOT's tokens are of.

Tokens of two codebooks must never meet in one dataset: number 17 of one says nothing of number 17 of the other. So the
first run of `kesc interleave` pins its tokenizer, and another one is refused until it is asked for.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.token_engines import WhisperTokensSettings
from kespeechchat.store.commit import short_hash
from kespeechchat.store.documents import read_document
from kespeechchat.store.interface import AlreadyExists, ObjectStore

_PIN = "interleaved/tokenizer.json"


@dataclass(frozen=True)
class PinnedTokenizer:
    """The tokenizer of ROOT's tokens: its name in the profile, and a hash of all that its tokens depend on."""

    name: str
    content: str


def place_of_codebook(pipeline: Pipeline, name: str) -> Path:
    """Where ROOT keeps the codebook that is fitted for `engines.tokens.NAME`. Raises ConfigError for an object store:
    engines read files."""
    if "://" in pipeline.root:
        raise ConfigError(
            f"engines.tokens.{name}.centroids: is null, and ROOT is an object store: fit the codebook in a ROOT that "
            "is a folder, copy ROOT/tokens/*.npy to every machine, and name it here"
        )
    return Path(pipeline.root) / "tokens" / f"{name}.npy"


def unfitted(pipeline: Pipeline, name: str) -> bool:
    """Whether the engine's codebook is to be fitted on ROOT's speech, and is not there yet."""
    return to_be_fitted(pipeline, name) and not place_of_codebook(pipeline, name).exists()


def to_be_fitted(pipeline: Pipeline, name: str) -> bool:
    """Whether the codebook of `engines.tokens.NAME` is one that is fitted on ROOT's speech."""
    return _has_no_centroids(pipeline.engine("tokens", name))


def with_codebooks(pipeline: Pipeline) -> Pipeline:
    """`pipeline` whose tokens engines name the codebooks that ROOT keeps for them, where they are there."""
    tokens = dict(pipeline.engines.tokens)
    for name, settings in tokens.items():
        if not _has_no_centroids(settings) or "://" in pipeline.root:
            continue
        if (place := place_of_codebook(pipeline, name)).exists():
            tokens[name] = settings.model_copy(update={"centroids": str(place)})
    engines = pipeline.engines.model_copy(update={"tokens": tokens})
    return pipeline.model_copy(update={"engines": engines, "contents": None})


def _has_no_centroids(settings: object) -> bool:
    return isinstance(settings, WhisperTokensSettings) and settings.centroids is None


def pin_tokenizer(store: ObjectStore, pipeline: Pipeline, replace: bool = False) -> None:
    """Pins the tokenizer of `interleave` unless one is pinned; `pipeline` knows the content of its models. Raises
    ConfigError where another one is pinned, unless it is to be replaced."""
    assert pipeline.interleave is not None
    name = pipeline.interleave.stages.interleaved.tokens
    relevant = pipeline.relevant_to("interleaved", None)["named"][f"tokens:{name}"]
    new = PinnedTokenizer(name, short_hash(relevant))
    data = json.dumps(asdict(new)).encode()
    try:
        store.create(_PIN, data)
    except AlreadyExists:
        pinned = read_document(store, _PIN, PinnedTokenizer, "restore it, or remove it with ROOT/interleaved")
        if pinned.content == new.content:
            return
        if not replace:
            raise ConfigError(
                f"engines.tokens.{name}: its model, codebook or rate is not that of the tokens in {store.url} "
                f"({pinned.name}), and tokens of two codebooks must not meet: put the earlier ones back, take another "
                "ROOT, or pass --replace-tokens, which makes all tokens again"
            ) from None
        store.put(_PIN, data)
