"""The scene of an export: `begin` makes the dialogues that a layout writes, `finish` tells what became of them."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from kespeechchat.commands.scene_sources import depends_on, listener, noises_of, rooms_by_rate
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.scenes import PRESETS, SceneSettings
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.scene_shares import SceneShares
from kespeechchat.display import counted
from kespeechchat.export.audio_files import Speech
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import SCENES, check_claim
from kespeechchat.export.layout import HasScene, Layout, OneSide, WritesChannels, WritesSome
from kespeechchat.export.lists import json_line
from kespeechchat.export.scene_journal import SceneJournal, TurnScene
from kespeechchat.export.scened import Renderer, ScenedDialogues, ScenedRows, SceneSpeech
from kespeechchat.export.survey import SURVEYED
from kespeechchat.records import Role, Split, turn_names
from kespeechchat.rows import FinishedRow
from kespeechchat.scenes.drawing import Draws
from kespeechchat.seeds import stable_hash
from kespeechchat.whole_file import whole_file

CLEAN = "clean"  # the name of no scene
_ROLES: tuple[Role, ...] = ("user", "agent")


def scene_name(layout: Layout, asked: str | None, audio: bool) -> str | None:
    """The scene of an export: the one that the user asks for, or the layout's own; None: clean speech. Raises
    ConfigError where it cannot be had."""
    if asked == CLEAN:
        return None
    if asked is None:
        return layout.scene if audio and isinstance(layout, HasScene) else None
    if not audio:
        raise ConfigError(f"--scene {asked}: an export without audio has no scene; leave one of them out")
    if "refused" in layout.needs:
        raise ConfigError(
            f"--scene {asked}: layout {layout.name} compares takes of a dialogue, and a scene would be heard in one of "
            "them alone; leave it out"
        )
    return asked


def scene_settings(pipeline: Pipeline, name: str) -> SceneSettings:
    """The profile's scene of that name, or the one that comes along. Raises ConfigError."""
    known = {**PRESETS, **pipeline.scenes}
    if name not in known:
        raise ConfigError(f"--scene {name}: no such scene; there is {', '.join(sorted(known))}, and {CLEAN} for none")
    return known[name]


@dataclass
class SceneExport:
    """An export of `layout` into the folder `to`, in the scene `name`."""

    pipeline: Pipeline
    name: str
    to: Path
    layout: Layout
    require_watermark: bool = False
    left_out: int = 0
    kept: int = 0  # of those that were searched
    _journal: SceneJournal = field(init=False)
    _dialogues: ScenedDialogues = field(init=False)

    def __post_init__(self) -> None:
        self.settings = scene_settings(self.pipeline, self.name)
        self._roles: tuple[Role, ...] = (self.layout.side,) if isinstance(self.layout, OneSide) else _ROLES

    def begin(self, clean: Dialogues, build: BuildFacts) -> ScenedDialogues:
        """The dialogues in the scene. With `require_watermark` every one of which the layout writes a turn is rendered
        and searched first, and those that lost a mark are left out. Raises SceneError where noise or rooms cannot be
        had, ExportError where the folder is not for this export."""
        assert clean.read_audio is not None
        check_claim(self.to, self.layout.name)
        seed, rows = self.pipeline.seed, clean.selection.rows
        noises = noises_of(self.settings, self._roles, rows, clean.read_audio, seed)
        draws = Draws(self.name, self.settings, seed)
        content = depends_on(self.settings, noises, self.name, seed, self._roles, clean.content)
        self._journal = SceneJournal(self.to, content if clean.content else "")
        rooms = rooms_by_rate(self.settings, self._roles, seed)
        renderer = Renderer(draws, noises, rooms, listener(self.pipeline), self._journal)
        selection = replace(clean.selection, rows=ScenedRows(rows, draws))
        kept_content = content if clean.content else ""
        of = (selection, clean.read_audio, clean.genders, kept_content, clean.timing, clean.first_alone)
        scened = ScenedDialogues(*of, renderer=renderer)
        self._dialogues = self._that_keep_the_mark(scened, build) if self.require_watermark else scened
        return self._dialogues

    def shares(self) -> SceneShares:
        """Of the turns of the export that were written so far."""
        shares = self._no_shares()
        for _, turns in self._written():
            self._count(turns, shares)
        return shares

    def finish(self) -> Iterator[str]:
        """Writes `scenes.jsonl`, and gives what to tell the user."""
        shares = self._no_shares()
        with whole_file(self.to / SCENES) as lines:
            for row, turns in self._written():
                self._count(turns, shares)
                lines.write(json_line({"id": row["id"], "scene": self.name, "turns": _facts(row, turns)}).encode())
        self._journal.close()
        return _told(shares.result())

    def _no_shares(self) -> SceneShares:
        left = self.settings.trainer.spec_augment
        trainer = "" if left is None else f"SpecAugment with probability {left:g}"
        return SceneShares(self.name, trainer, self.left_out)

    def _count(self, turns: Mapping[str, TurnScene], shares: SceneShares) -> None:
        for turn in turns.values():
            shares.add(turn["scene"], self._marked(turn["watermark_score"]))

    def _written(self) -> Iterator[tuple[FinishedRow, dict[str, TurnScene]]]:
        """The rows of the export (some columns) of which turns were written, with what is known of these. The journal
        may have more: a layout whose files are each their own keeps them from one subset to the next."""
        selection = self._dialogues.selection
        for part in selection.rows.parts():
            for row, _ in selection.rule.chosen(part.rows(SURVEYED)):
                if turns := self._journal.written(row["id"]):
                    yield row, turns

    def _marked(self, score: float | None) -> bool:
        return score is not None and score >= self.pipeline.watermark_threshold

    def _that_keep_the_mark(self, scened: ScenedDialogues, build: BuildFacts) -> ScenedDialogues:
        """The same without those that lost it. The partitions and subsets stay as they were cut."""
        sides = self._sides(scened, build)
        search = replace(scened, renderer=replace(scened.renderer, writes=False))
        lost = array("Q")
        splits: Counter[Split] = Counter()
        seconds: Counter[str] = Counter()
        for row in scened:
            written = sides(row)
            if all(map(self._marked, self._scores(search, row, written))):
                self.kept += bool(written)
                splits[row["split"]] += 1
                seconds[row["language"]] += row["seconds"]  # type: ignore[assignment]
            else:
                lost.append(stable_hash(row["id"]))
        self.left_out = len(lost)
        selection = replace(
            scened.selection,
            without=np.sort(np.array(lost, dtype=np.uint64)),
            dialogues=splits.total(),
            splits=splits,
            hours={language: round(s / 3600, 6) for language, s in sorted(seconds.items())},
        )
        return replace(scened, selection=selection)

    def _sides(self, dialogues: Dialogues, build: BuildFacts) -> Callable[[FinishedRow], Sequence[Role]]:
        """Tells whose turns of a dialogue are written."""
        if isinstance(self.layout, WritesSome):
            return self.layout.sides(dialogues, build)
        return lambda row: self._roles

    def _scores(self, dialogues: ScenedDialogues, row: FinishedRow, written: Sequence[Role]) -> Iterator[float | None]:
        """Of the turns of these roles, each found when it is asked for; the row's speech is read once."""
        speech: Speech | None = None
        roles = [turn["role"] for turn in row["turns"]]
        heard = ((name, role) for name, role in zip(turn_names(roles), roles, strict=True) if role in written)
        for name, role in heard:
            if (known := self._journal.turn(row["id"], name)) is None:
                speech = dialogues.speech(row) if speech is None else speech
                assert isinstance(speech, SceneSpeech)
                if isinstance(self.layout, WritesChannels):
                    speech.channel(role)
                else:
                    speech.samples(name)
                known = self._journal.turn(row["id"], name)
            yield known["watermark_score"] if known else None


def _facts(row: FinishedRow, turns: Mapping[str, TurnScene]) -> list[dict[str, Any]]:
    """What happened to each turn that was written, in order; `turn`: its place in the dialogue, of later
    exchanges."""
    roles = [turn["role"] for turn in row["turns"]]
    return [
        {"role": role, **({"turn": place} if place > 1 else {}), **turns[name]}
        for place, (name, role) in enumerate(zip(turn_names(roles), roles, strict=True))
        if name in turns
    ]


def _told(result: dict[str, Any]) -> Iterator[str]:
    if result["turns"]:
        found = f"{result['marked']:,} of {result['turns']:,} turns"
        yield f"scene {result['scene']}: the watermark is still found in {found} ({SCENES} has each)"
    if result["left_out"]:
        yield f"left out, because they lost it: {counted(result['left_out'], 'dialogue')}"
    if result.get("trainer"):
        yield f"left to the trainer: {result['trainer']}"
