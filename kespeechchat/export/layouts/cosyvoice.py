"""The paper's TTS subset (KeTTS) as the data folders that CosyVoice's training recipes make of a corpus.

    PART/wav.scp      UTTERANCE audio/UTTERANCE.wav
    PART/text         UTTERANCE what is said
    PART/utt2spk      UTTERANCE VOICE
    PART/spk2utt      VOICE UTTERANCE UTTERANCE …
    PART/instruct     UTTERANCE instruction, where `instruct` asks for it

PART is `train`, `test` (what test voices shall say) or `prompts` (one utterance or more of each test voice to speak it
with). This is what stage 0 of the recipes writes, so go on with stage 1 (`extract_embedding.py`), 2
(`extract_speech_token.py`) or 3 (`make_parquet_list.py`). The tools open the audio from the folder that they run in:
run them in FOLDER, with a full path as `--des_dir`. The Parquet files that stage 3 makes hold the audio. What the tools
save (`utt2embedding.pt`, …) needs models and is theirs to make.

The tools cut every line at white space and join a text by single spaces, so a text is written in this way.
The subset is chosen from the whole build; `--partition` and `--language` take of it.

Source of the schema: FunAudioLLM/CosyVoice at ace7c47f41bbd303aa6bf1ea80e6f9fbd595cd40 (run.sh and
local/prepare_data.py of examples/libritts/cosyvoice, cosyvoice2 and cosyvoice3; tools/*.py;
cosyvoice/dataset/processor.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, TextIO

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.metadata import CHANNELS
from kespeechchat.dataset.subsets import Chosen
from kespeechchat.display import counted
from kespeechchat.export.audio_files import MANY_FILES, Container, Speech, safe_name, turn_samples, wav_of
from kespeechchat.export.audio_folder import AudioFolder
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import Done, ExportFolder
from kespeechchat.export.layout import AudioRates, Need
from kespeechchat.export.subsets import chosen_subsets
from kespeechchat.records import Role
from kespeechchat.rows import FinishedRow, FinishedTurn

Recipe = Literal["cosyvoice", "cosyvoice2", "cosyvoice3"]
_PARTS = ("train", "test", "prompts")
_FILES = ("wav.scp", "text", "utt2spk")  # a line for each utterance; spk2utt is written at the end
_OURS = (
    r"audio/(?:[0-9a-f]{2}/)?[^/]+\.(?:wav|flac)|"
    r"(?:train|test|prompts)/(?:wav\.scp|text|utt2spk|spk2utt|instruct)"
)
_INSTRUCT = "You are a helpful assistant.<|endofprompt|>"  # what the recipe of CosyVoice 3 gives every utterance
_LEAST_RATE = 16_000  # Hz: the trainer's reader leaves out what has less


@dataclass(frozen=True)
class CosyVoice:
    """`recipe`: whose folders; that of CosyVoice 3 has a file `instruct`. `container`: wav or flac; `fan_out_beyond`:
    dialogues that one folder may hold."""

    name: ClassVar[str] = "cosyvoice"
    writes: ClassVar[str] = "train/, test/, prompts/ (wav.scp, text, utt2spk, spk2utt) and audio/: the TTS subset"
    read_by: ClassVar[str] = "CosyVoice's recipes, from stage 1 on (`--dir train`, `--src_dir train`)"
    loadable: ClassVar[bool] = False
    several: ClassVar[bool] = False
    needs: ClassVar[frozenset[Need]] = frozenset()
    files_per_dialogue: ClassVar[int] = 2
    text_bytes: ClassVar[int] = 800

    recipe: Recipe = "cosyvoice2"
    container: Container = "wav"
    fan_out_beyond: int = MANY_FILES

    def audio_bytes_per_second(self, rates: AudioRates) -> float:
        """One channel."""
        return rates.flac if self.container == "flac" else rates.pcm

    def share(self, dialogues: Dialogues, build: BuildFacts) -> float:
        """As `HoldsSome.share`: the utterances that every voice may have, of two in each dialogue."""
        tts = build.subsets.tts
        trained = len(dialogues.genders) * sum(tts.utterances.values())
        tested = tts.test_speakers * sum(tts.prompts + said for said in tts.test_utterances.values())
        return min(1.0, (trained + tested) / (2 * len(dialogues))) if len(dialogues) else 1.0

    def sides(self, dialogues: Dialogues, build: BuildFacts) -> Callable[[FinishedRow], Sequence[Role]]:
        """As `WritesSome.sides`: those whose turn is in the TTS subset."""
        parts = _parts_of(chosen_subsets(dialogues, build))
        return lambda row: [turn["role"] for _, turn in _utterances(row, parts)]

    def export(self, dialogues: Dialogues, to: Path, build: BuildFacts) -> Done:
        """As `Layout.export`; the lists alone without audio. `Done.dialogues` are those with a turn in the subset."""
        fan_out, subset = len(dialogues) > self.fan_out_beyond, build.subsets.model_dump(mode="json")
        options = {"audio": dialogues.audio, "container": self.container, "fan_out": fan_out, "recipe": self.recipe}
        folder = ExportFolder(to, self.name, _OURS, dialogues, {**options, "subset": subset, "version": 1})
        files, parts = AudioFolder(folder, dialogues, fan_out), _parts_of(chosen_subsets(dialogues, build))
        written, utterances = 0, 0
        with _Lists(folder, self.recipe == "cosyvoice3") as lists:
            for row in dialogues:
                found = list(_utterances(row, parts))
                for name, turn in found:
                    sound = files.name(row, f"_{CHANNELS[turn['role']]}.{self.container}")
                    files.write(row, sound, partial(self._encoded, turn))
                    lists.add(parts[name], name, sound, turn)
                written += bool(found)
                utterances += len(found)
        return folder.done(written, *_notes(dialogues, written, utterances))

    def _encoded(self, turn: FinishedTurn, speech: Speech) -> bytes:
        if self.container == "flac":
            return speech[turn["role"]]
        return wav_of(turn_samples(speech, turn["role"]), turn["sample_rate"])


def _parts_of(chosen: Chosen) -> Mapping[str, str]:
    """Utterance id → the part that has it."""
    parts = {"train": chosen.tts_train, "test": chosen.tts_test, "prompts": chosen.tts_prompts}
    return {one.id: part for part, said in parts.items() for one in said}


def _utterances(row: FinishedRow, parts: Mapping[str, str]) -> Iterator[tuple[str, FinishedTurn]]:
    """(id, turn) of the turns that are in the subset."""
    for turn in row["turns"]:
        if (name := f"{row['id']}_{CHANNELS[turn['role']]}") in parts:
            yield name, turn


def _notes(dialogues: Dialogues, written: int, utterances: int) -> Iterator[str]:
    dialogues_ = f"{written:,} of {counted(len(dialogues), 'dialogue')}"
    yield f"{counted(utterances, 'utterance')} of {dialogues_} in the TTS subset"
    if low := [rate for rate in dialogues.selection.rates if rate < _LEAST_RATE]:
        yield f"CosyVoice leaves out audio below {_LEAST_RATE:,} Hz, and this build has audio of {low[0]:,} Hz"


@dataclass
class _Lists:
    """A context that writes the lists of all parts. They get their names when it ends without an error."""

    folder: ExportFolder
    instruct: bool
    _stack: ExitStack = field(default_factory=ExitStack)
    _files: dict[str, TextIO] = field(default_factory=dict)
    _said: dict[str, dict[str, list[str]]] = field(default_factory=lambda: defaultdict(dict))  # part → voice → ids

    def __enter__(self) -> _Lists:
        own = (*_FILES, *(["instruct"] if self.instruct else []))
        names = [f"{part}/{name}" for part in _PARTS for name in own]
        for name, path in zip(names, self.folder.parts(names), strict=True):
            self._files[name] = self._stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))
        return self

    def add(self, part: str, utterance: str, sound: str, turn: FinishedTurn) -> None:
        """One utterance, whose audio is at `sound`."""
        voice = safe_name(turn["voice"])
        values = (sound, " ".join(turn["text"].split()), voice, *([_INSTRUCT] if self.instruct else []))
        for name, value in zip((*_FILES, "instruct"), values, strict=False):
            self._files[f"{part}/{name}"].write(f"{utterance} {value}\n")
        self._said[part].setdefault(voice, []).append(utterance)

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._stack.close()
        if kind is not None:
            return
        self.folder.publish(list(self._files))
        for part in _PARTS:
            lines = (f"{voice} {' '.join(said)}\n" for voice, said in sorted(self._said[part].items()))
            self.folder.write(f"{part}/spk2utt", "".join(lines).encode())
