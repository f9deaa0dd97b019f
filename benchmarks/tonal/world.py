"""A build of all stages that costs a second: the quick start's profile and examples, spoken by engines of tones."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.measured import PROFILE

_HERE = Path(__file__).parent
_EXAMPLES = PROFILE.parent.parent / "examples"
_SETTINGS = (
    "stages.speakers.mining.splits.per_cell={}",
    "stages.blend.blending.users={train: 6}",
    "stages.blend.blending.voices_per_pair=1",  # tones have no table of voices
    "stages.blend.blending.spread=null",
    "stages.blend.blending.agent_candidates=1",
    "stages.voices.privacy.speaker_threshold=0.99",
    "stages.voices.privacy.voice_threshold=0.999",
    "stages.voices.privacy.spread={}",
    "stages.voices.privacy.min_scores={}",
    "stages.voices.privacy.best_by=null",
    "stages.spoken.splits={dev: 0, test: 0}",
    "guards={}",
)


@dataclass(frozen=True)
class World:
    """Inputs in `folder`: so many `rows` of each language's examples in shards of `shard_size` dialogues."""

    folder: Path
    rows: int = 22
    shard_size: int = 2
    clip_shard_size: int = 6

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for file in self._questions:
            lines = (_EXAMPLES / file.name).read_text(encoding="utf-8").splitlines()[: self.rows]
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        recipe = yaml.safe_load((_EXAMPLES / "corpus.yaml").read_text(encoding="utf-8"))
        recipe["recordings"] = [r for r in recipe["recordings"] if r["id"][-1] in "123" or r["id"] == "en-mixed"]
        self._speech.write_text(yaml.safe_dump(recipe, allow_unicode=True), encoding="utf-8")

    @property
    def _questions(self) -> list[Path]:
        return [self.folder / f"instructions.{language}.jsonl" for language in ("zh", "en")]

    @property
    def _speech(self) -> Path:
        return self.folder / "corpus.yaml"

    def command(self, root: str | Path, *more: str) -> list[str]:
        """The words after `kesc` that build into `root`."""
        settings = [
            *_SETTINGS,
            f"instructions.shard_size={self.shard_size}",
            f"speech.shard_size={self.clip_shard_size}",
            "speech.audition_shard_size=3",
            f"speech.inputs=[{{path: {self._speech}}}]",
        ]
        words = ["build", str(PROFILE), "--root", str(root)]
        words += [w for file in self._questions for w in ("--input", str(file))]
        return words + [w for setting in settings for w in ("--set", setting)] + list(more)


def environment(slow: float = 0, clock: float = 0, log: Path | None = None) -> dict[str, str]:
    """Of a process whose engines are of tones; `slow` and `clock` in seconds, see `sitecustomize.py`."""
    paths = [str(_HERE), str(_HERE.parent.parent), os.environ.get("PYTHONPATH", "")]
    more = {"KESC_TONAL_SLOW": str(slow), "KESC_TONAL_LOG": str(log or os.devnull)}
    more |= {"KESC_TONAL_CLOCK": str(clock)} if clock else {}
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **more}
