"""The paper's ASR and TTS subsets for the layouts that hold one of them, chosen in one reading of all rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kespeechchat.config.dataset import SubsetSettings
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.subsets import Chosen, Subsets
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.selection import NOTHING, Rule
from kespeechchat.records import Split
from kespeechchat.rows import FinishedRow

COLUMNS = (  # of stage `gate`, as Parquet names them: what the choice reads
    *("language", "split"),
    *(f"turns.list.element.{name}" for name in ("role", "voice", "text", "seconds")),
)


def asr_partition(rule: Rule, settings: SubsetSettings) -> str | None:
    """The partition whose user utterances ASR trains on; None for all of them, where none has the name."""
    wanted = settings.asr.partition
    return wanted if wanted in rule.cuts.names else None


def last_level(rule: Rule, settings: SubsetSettings) -> int:
    """The largest level of a row that ASR may train on."""
    names, wanted = rule.cuts.names, asr_partition(rule, settings)
    return len(names) if wanted is None else names.index(wanted)


def chosen_subsets(dialogues: Dialogues, build: BuildFacts) -> Chosen:
    """Both subsets of the whole build, of whatever partition or language `dialogues` are. A dialogue that lost its
    watermark takes part in the choice, as in the cut of the partitions: nothing takes its place."""
    rule = replace(dialogues.selection.rule, without=NOTHING)
    last, subsets = last_level(rule, build.subsets), Subsets(build.subsets, rule.cuts.seed)
    for part in dialogues.selection.rows.parts():
        for row in part.rows(COLUMNS):
            if not rule.bars(row):
                subsets.add(row, rule.level(row) <= last)
    return subsets.choose(build.parents)


def asr_side(dialogues: Dialogues, build: BuildFacts) -> Callable[[FinishedRow], Split | None]:
    """Tells on which side of the ASR subset a row's user utterance is; None: on neither."""
    rule, chosen = dialogues.selection.rule, chosen_subsets(dialogues, build)
    last, again = last_level(rule, build.subsets), Subsets(build.subsets, rule.cuts.seed)
    tests = {one.id.rpartition("_")[0] for one in chosen.asr_test}

    def side(row: FinishedRow) -> Split | None:
        if row["id"] in tests:
            return "test"
        one = again.add(row, rule.level(row) <= last) if row["split"] == "train" else None
        return "train" if one is not None and chosen.asr_trains(one) else None

    return side
