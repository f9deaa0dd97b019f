"""What a build says of itself as a whole, for the dataset card and the tables of an export."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

from kespeechchat.config.dataset import SubsetSettings
from kespeechchat.config.manner import Manner
from kespeechchat.config.provenance import Departure, Licence
from kespeechchat.dataset.origins import Corpus
from kespeechchat.dataset.scene_shares import SceneShares


class StageYield(TypedDict):
    """What a stage made of its rows; `rejected` by reason, `made` is kept rows by how they were made, `ended`
    dialogues that end early, by reason."""

    name: str
    rows_in: int
    kept: int
    made: NotRequired[Mapping[str, int]]
    ended: NotRequired[Mapping[str, int]]
    rejected: Mapping[str, int]
    failed_rows: int


class LanguageRounds(TypedDict):
    """One language's rounds of speech, by round; `dropped` by reason, after the last."""

    rows_in: list[int]
    kept: list[int]
    hours: list[float]
    dropped: dict[str, int]


class RoundFigures(TypedDict, total=False):
    """The rounds' names and each language's figures; nothing where the profile has no rounds."""

    names: list[str]
    languages: dict[str, LanguageRounds]


@dataclass(frozen=True)
class BuildFacts:
    """`parents`: voice → the speakers whose blend it is. `rejected`: stage → reason → rows, of the stages whose refusal
    is final. `privacy`: what `voices.privacy.circularity` found, and what the voice library adds to it; `audited`: an
    encoder that made no voice judged them. `spoken`: from what the voices speak, in sentences
    (`dataset.speaking`). `corpus`: what the voices are blended of. `licences`: of models and inputs alike.
    `watermark_threshold`: a turn counts as marked from this score on, as in stage `gate`. `scenes`: what an export in a
    scene knows once its audio is written. `voice_words`: of the short words that the voices say, how many are kept, and
    how many rejected by reason. `manners`: the profile's manners of speaking.
    `unfinished`: shards that are not gated yet, or not as the profile says now, so that their dialogues are missing."""

    name: str = "Ke-SpeechChat, rebuilt"
    licences: Sequence[Licence] = ()
    departures: Sequence[Departure] = ()
    corpus: Corpus = "recordings"
    watermark: str = ""
    watermark_threshold: float = 0.5
    privacy: Mapping[str, object] = field(default_factory=dict)
    audited: bool = False
    spoken: Sequence[str] = ()
    parents: Mapping[str, Sequence[str]] = field(default_factory=dict)
    subsets: SubsetSettings = field(default_factory=SubsetSettings)
    rejected: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    yields: Sequence[StageYield] = ()
    rounds: RoundFigures = field(default_factory=RoundFigures)
    scenes: Callable[[], SceneShares] | None = None
    voice_words: Mapping[str, int] = field(default_factory=dict)
    manners: Sequence[Manner] = ()
    unfinished: int = 0
