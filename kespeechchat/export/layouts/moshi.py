"""What moshi-finetune trains on: stereo files, the agent (Moshi) left and the user right, with the agent's word times.

    SPLIT.jsonl        {"path": "audio/ID.wav", "duration": 6.5}, a line for each dialogue
    audio/ID.wav       16 bit, left the agent, right the user, as the timeline has them (or .flac)
    audio/ID.json      {"alignments": [["word", [2.5, 2.8], "SPEAKER_MAIN"], …]}, seconds of the file, sorted

The trainer opens the JSON by the path of its list, so run it in FOLDER: `data.train_data: train.jsonl`. It has
alignments of the agent alone, as the trainer's own `annotate.py` writes them.

The words are those of the agent's text, with the times of what the recognizer heard of it (`durations.timed_words`):
what it misheard, or wrote in traditional characters, is not trained on. A ROOT that was built without word times is
refused, and a dialogue with an agent's turn of which nothing was heard is left out.

Source of the schema: kyutai-labs/moshi-finetune at 2acc879fe7c48f885a18f6cc9548bccb2674d87b (README.md, annotate.py,
finetune/data/interleaver.py, finetune/data/dataset.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import ClassVar

from kespeechchat.dataset.backchannels import Backchannel
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.durations import NothingHeard, timed_words
from kespeechchat.dataset.places import Place
from kespeechchat.dataset.timeline import length_of, words_of
from kespeechchat.display import counted
from kespeechchat.export.audio_files import MANY_FILES, Container, Speech, encoded, two_channels
from kespeechchat.export.audio_folder import AudioFolder
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.errors import ExportError
from kespeechchat.export.folder import Done, ExportFolder
from kespeechchat.export.layout import AudioRates, Need
from kespeechchat.export.lists import SPLITS, json_line, split_files
from kespeechchat.records import Word
from kespeechchat.rows import FinishedRow

_OURS = r"audio/(?:[0-9a-f]{2}/)?[^/]+\.(?:wav|flac|json)|(?:train|dev|test)\.jsonl"
_TRAINED = "SPEAKER_MAIN"  # the trainer's name for the side that it trains
_TIME_DIGITS = 4


@dataclass(frozen=True)
class Moshi:
    """`container`: wav or flac; `fan_out_beyond`: dialogues that one folder may hold."""

    name: ClassVar[str] = "moshi"
    writes: ClassVar[str] = "audio/ID.wav, agent left, user right; audio/ID.json with the agent's words; SPLIT.jsonl"
    read_by: ClassVar[str] = "moshi-finetune (`data.train_data: train.jsonl`)"
    loadable: ClassVar[bool] = False
    several: ClassVar[bool] = True
    backchannels: ClassVar[bool] = True
    whole_channels: ClassVar[bool] = True
    needs: ClassVar[frozenset[Need]] = frozenset()
    files_per_dialogue: ClassVar[int] = 2
    text_bytes: ClassVar[int] = 2000

    container: Container = "wav"
    fan_out_beyond: int = MANY_FILES

    def audio_bytes_per_second(self, rates: AudioRates) -> float:
        """The silent channel costs nothing in FLAC, and as much as the other in WAV."""
        return rates.flac if self.container == "flac" else 2 * rates.pcm

    def export(self, dialogues: Dialogues, to: Path, build: BuildFacts) -> Done:
        """As `Layout.export`; raises ExportError also where a dialogue has no word times or sample rates differ."""
        fan_out, rate = len(dialogues) > self.fan_out_beyond, dialogues.selection.rate()
        for row in islice(dialogues, 1):
            list(_heard(row, dialogues.places(row)))  # refuses a build without word times before it touches the folder
        left_out: list[str] = []
        options = {"audio": dialogues.audio, "container": self.container, "fan_out": fan_out, "version": 2}
        folder = ExportFolder(to, self.name, _OURS, dialogues, options)
        files = AudioFolder(folder, dialogues, fan_out)
        with split_files(folder, {split: f"{split}.jsonl" for split in SPLITS}) as lists:
            for row in dialogues:
                sound, words = files.name(row, f".{self.container}"), files.name(row, ".json")
                places = dialogues.places(row)
                said = dialogues.backchannels(row, places)
                if not folder.has(words):
                    try:
                        aligned = alignments(row, places, said)
                    except NothingHeard as error:
                        left_out.append(f"{row['id']}: {error}")
                        continue
                    folder.write(words, json_line({"alignments": aligned}).encode())
                files.write(row, sound, partial(self._encoded, row, places, said, rate))
                seconds = length_of(places) / rate
                lists[row["split"]].write(json_line({"path": sound, "duration": seconds}))
        return folder.done(len(dialogues) - len(left_out), *_notes(left_out))

    def _encoded(
        self, row: FinishedRow, places: Sequence[Place], said: Sequence[Backchannel], rate: int, speech: Speech
    ) -> bytes:
        return encoded(two_channels(row, speech, places, "agent", said), rate, self.container)


def alignments(
    row: FinishedRow, places: Sequence[Place], said: Sequence[Backchannel] = ()
) -> list[tuple[str, tuple[float, float], str]]:
    """The agent's words as (text, (start, end), speaker), in seconds of the dialogue, sorted by start; those of its
    backchannels (`said`) too, each as long as its sound. Raises ExportError where the build has no word times,
    NothingHeard where no word of a turn was heard."""
    rate = row["turns"][0]["sample_rate"]
    timed = [
        (word.text, (_place(place.start / rate, word.start), _place(place.start / rate, word.end)), _TRAINED)
        for place, words in _heard(row, places)
        for word in timed_words(place.text, words, place.samples / rate)
    ]
    timed += [
        (one.text, (_place(one.start / rate, 0), _place(one.end / rate, 0)), _TRAINED)
        for one in said
        if one.role == "agent"
    ]
    return sorted(timed, key=lambda word: word[1])


def _heard(row: FinishedRow, places: Sequence[Place]) -> Iterator[tuple[Place, list[Word]]]:
    """The place of each of the agent's turns, with what the recognizer heard of it. Raises ExportError where the build
    has no word times."""
    for turn, place in zip(row["turns"], places, strict=True):
        if turn["role"] != "agent":
            continue
        if (words := words_of(turn, place)) is None:
            raise ExportError(
                f"dialogue {row['id']}, agent: no word times (`words` of stage gate), which moshi needs; "
                "run `kesc build` again with this version and a recognizer that gives word times"
            )
        yield place, words


def _notes(left_out: list[str]) -> Iterator[str]:
    if left_out:
        yield f"left out, for nothing was heard of the agent: {counted(len(left_out), 'dialogue')}, e.g. {left_out[0]}"


def _place(begins: float, seconds: float) -> float:
    return round(begins + seconds, _TIME_DIGITS)
