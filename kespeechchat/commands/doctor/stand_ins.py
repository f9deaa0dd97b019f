"""Stand-ins for trial rows where a stage delivers nothing: a dialogue, speakers and a voice library of one clip.

None of it is ever written: it lets the stages behind be tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from kespeechchat.config.flow import LIBRARY
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.records import KEPT, SCHEMAS, Language
from kespeechchat.stages.base import Row
from kespeechchat.store.manifest import PlannedRow

_SAID: dict[Language, tuple[str, str]] = {
    "zh": ("今天的天气怎么样？", "今天天气很好，适合出去走走。"),
    "en": ("How is the weather today?", "It is a lovely day for a walk."),
}


_DOCUMENTS = (
    "The harbour wakes before the town does. At half past four the first boats come in, and their crews carry the "
    "boxes up the steps while the gulls wait on the wall.",
    "港口比小镇醒得早。凌晨四点半，第一批渔船靠了岸，船员们把箱子搬上台阶，海鸥在墙头等着。天亮以后，买鱼的人就从四面八方赶来了。",
)


def documents() -> list[Row]:
    """A document of each language for the chain of `kesc interleave`, where the profile names none."""
    names = {"occurrence": 1, "source": "trial", "file": "trial", "problem": None}
    return [{**names, "id": f"trial-{line}", "line": line, "raw": text} for line, text in enumerate(_DOCUMENTS, 1)]


def dialogue(language: Language, row: PlannedRow) -> Row:
    """A dialogue for the speech stages where the text stages gave none, under the id of an instruction."""
    instruction, response = _SAID[language]
    return {
        "id": row.id,
        "source": row.source,
        "language": language,
        "instruction": instruction,
        "response": response,
    }


def speakers(clip: Mapping[str, Any]) -> list[Row]:
    """Two speakers who both sound as the clip does, of each gender that agents must have."""
    speaker = {
        "language": clip["language"],
        "split": "train",
        "seconds_per_character": 0.2,
        "tts_embedding": clip["tts_embedding"],
        "xvector": clip["xvector"],
    }
    names = ((gender, f"{gender}-{n}") for gender in ("female", "male") for n in ("a", "b"))
    return [{**speaker, "id": name, "recording": name, "gender": gender} for gender, name in names]


def voice_library(language: Language, clip: Mapping[str, Any], prompts: Sequence[Mapping[str, Any]] = ()) -> pa.Table:
    """A library of one user and one agent that both speak as the clip does; `prompts`: of the auditions that were
    tried, of which they have one."""
    gender = clip["gender"] if clip["gender"] in ("female", "male") else "female"
    voice = {"language": language, "gender": gender, "split": "train", "embedding": clip["tts_embedding"]}
    voice["xvectors"] = [clip["auditor_xvector"] or clip["xvector"]]
    own = [prompt for prompt in prompts if prompt["language"] == language] or prompts
    voice["prompts"] = [{**own[0], "language": language}] if own else None
    return table_of(LIBRARY, [{**voice, "id": f"trial-{role}-{language}", "role": role} for role in ("user", "agent")])


@dataclass(frozen=True)
class TableRecordings:
    """The recordings in a table of voices, as `stages.base.Recordings`."""

    voices: pa.Table

    def of(self, voices: Iterable[str], language: str) -> dict[str, Row]:
        """`text` and `audio` by voice; nothing of a voice that has none in `language`."""
        own = {voice["id"]: voice["prompts"] or () for voice in self.voices.select(["id", "prompts"]).to_pylist()}
        return {v: prompt for v in voices for prompt in own[v] if prompt["language"] == language}


def table_of(stage: str, rows: Sequence[Row]) -> pa.Table:
    """Rows that the stage kept, as its shards hold them."""
    common = {"status": KEPT, "stage": stage, "reason": None, "detail": None}
    return pa.Table.from_pylist([{**row, **common} for row in rows], schema=SCHEMAS[stage])


def one_user_voice(pipeline: Pipeline) -> Pipeline:
    """The profile with one user voice, of whatever pairs of speakers there are."""
    blend = pipeline.stages.blend
    few = blend.blending.model_copy(update={"users": {"train": 1, "dev": 0, "test": 0}, "allow_fewer": True})
    stages = pipeline.stages.model_copy(update={"blend": blend.model_copy(update={"blending": few})})
    return pipeline.model_copy(update={"stages": stages})
