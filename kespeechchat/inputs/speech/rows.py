"""Planned rows of a speech corpus: it is recognized, its clips get ids, and one line says what it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import cast

from kespeechchat.config.inputs import SpeechInput
from kespeechchat.display import counted
from kespeechchat.ids import content_id, source_of
from kespeechchat.inputs.speech import lhotse
from kespeechchat.inputs.speech.folders import folder
from kespeechchat.inputs.speech.found import Corpus, Found, visible
from kespeechchat.inputs.speech.manifests import manifest
from kespeechchat.inputs.speech.published import published
from kespeechchat.inputs.speech.recipe import recipe
from kespeechchat.inputs.speech.tables import table_rows
from kespeechchat.records import Language
from kespeechchat.seeds import stable_hash
from kespeechchat.store.manifest import PlannedRow

_NOT_IN_ID = ("path", "gender", "dnsmos", "speaker")
_COMMON_VOICE = "validated.tsv"
_TEXTS = (".txt", ".TXT", ".tsv", ".csv", ".jsonl", ".json", ".gz", ".info")


@dataclass
class CorpusFacts:
    """What was read of one corpus."""

    name: str
    layout: str = ""
    clips: int = 0
    malformed: int = 0
    seconds: float = 0.0
    stated: int = 0  # clips whose length the corpus states
    people: set[int] = field(default_factory=set)
    recordings: set[int] = field(default_factory=set)

    def add(self, found: Found, bad: bool) -> None:
        """Counts one clip; a malformed one only as such."""
        if bad:
            self.malformed += 1
            return
        self.clips += 1
        self.recordings.add(stable_hash(found.fields["recording"]))
        if "speaker" in found.fields:
            self.people.add(stable_hash(found.fields["speaker"]))
        if found.seconds is not None:
            self.stated, self.seconds = self.stated + 1, self.seconds + found.seconds

    def line(self) -> str:
        """`dev-clean: LibriSpeech, 40 people in 97 recordings, 2,703 clips, 5.4 h`."""
        people = f"{counted(len(self.people), 'person', 'people')} in " if self.people else ""
        recordings = counted(len(self.recordings), "recording")
        told = f"{self.name}: {self.layout}, {people}{recordings}, {counted(self.clips, 'clip')}"
        if self.clips and self.stated == self.clips:
            told += f", {self.seconds / 3600:.1f} h"
        return told + (f"; {self.malformed:,} malformed" if self.malformed else "")


def speech_rows(item: SpeechInput, facts: CorpusFacts | None = None) -> Iterator[PlannedRow]:
    """Every clip of one input, sound or not, in its order; `facts` counts them. Raises ConfigError for an input that
    cannot be read at all."""
    path = Path(item.path)
    facts = CorpusFacts(path.name) if facts is None else facts
    ids = _Ids(source_of(path.stem), path if path.is_dir() else path.parent)
    for corpus, file in _recognized(path, item.speaker_folder):
        facts.layout = corpus.layout
        for found in corpus.clips:
            row = _planned(found, item, corpus, ids, file)
            facts.add(found, row.problem is not None)
            yield row


def speech_files(path: Path) -> list[Path]:
    """The files beside the audio of a corpus that its plan depends on, those that hold names and texts."""
    if path.is_dir():
        return [f for f in visible(path) if f.suffix in _TEXTS]
    beside = lhotse.partner(path)
    return [path, beside] if beside else [path]


def _recognized(path: Path, speaker_folder: int | None) -> Iterator[tuple[Corpus, str]]:
    """The corpus in `path`, with the name of the file that its lines are of; a folder of lhotse's may hold several."""
    if path.is_dir():
        if files := lhotse.manifests_in(path):
            yield from ((_manifest(file, speaker_folder), file.name) for file in files)
        elif (path / _COMMON_VOICE).is_file() and (path / "clips").is_dir():
            yield _manifest(path / _COMMON_VOICE, speaker_folder), _COMMON_VOICE
        else:
            known = None if speaker_folder else published(path)
            yield known or folder(path, speaker_folder), path.name
    elif path.suffix in (".yaml", ".yml"):
        yield recipe(path), path.name
    else:
        yield _manifest(path, speaker_folder), path.name


def _manifest(path: Path, speaker_folder: int | None) -> Corpus:
    lines = table_rows(path)
    begin = []
    first: dict[str, object] = {}
    for line in lines:
        begin.append(line)
        if not isinstance(line[1], str):
            first = dict(line[1])
            break
    every = chain(begin, lines)
    match lhotse.kind_of(first):
        case "cuts":
            return lhotse.cuts(path, every)
        case "supervisions":
            return lhotse.supervisions(path, every)
    return manifest(path, every, first, speaker_folder)


def _planned(found: Found, item: SpeechInput, corpus: Corpus, ids: _Ids, file: str) -> PlannedRow:
    fields, problem = found.fields, found.problem
    if corpus.namespace and "speaker" in fields:
        fields["speaker"] = f"{corpus.namespace}/{fields['speaker']}"
    if corpus.language and not item.language:
        fields["language"] = corpus.language
    if item.channel is not None and fields.get("path"):
        fields["channel"] = str(item.channel)
    language = fields.get("language") or item.language
    if problem is None and language not in ("zh", "en"):
        problem = f"language is {language!r}; give zh or en in the manifest or the profile (speech.inputs.language)"
    raw = json.dumps(fields, ensure_ascii=False, sort_keys=True)
    known = cast(Language, language) if language in ("zh", "en") and problem is None else "en"
    told = None if problem is None else f"{file}:{found.line}: {problem}"
    return PlannedRow(ids.of(found), ids.source, file, found.line, known, raw, told)


class _Ids:
    """Ids of the clips of one input, from what is said of them and the names of their files.

    Two clips alike in all but the folder of their file are two: the second one's id comes from its path as well. (The
    first keeps the id that versions before gave it.) Takes some 200 bytes a clip.
    """

    def __init__(self, source: str, base: Path) -> None:
        self.source, self._base = source, base
        self._paths: dict[int, int] = {}  # hash of the id → that of the path that has it

    def of(self, found: Found) -> str:
        key = json.dumps({k: v for k, v in found.fields.items() if k not in _NOT_IN_ID}, sort_keys=True)
        path = found.fields.get("path")
        id_ = content_id(self.source, key, Path(path).name if path else "")
        if not path:
            return id_
        inside = Path(path).relative_to(self._base) if Path(path).is_relative_to(self._base) else Path(path)
        where = stable_hash(inside.as_posix())
        if self._paths.setdefault(int(id_[-16:], 16), where) == where:
            return id_
        return content_id(self.source, key, inside.as_posix())
