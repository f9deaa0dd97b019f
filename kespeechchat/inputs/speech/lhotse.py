"""lhotse manifests: recordings with supervisions, or cuts, as JSON lines, packed or not (lhotse.readthedocs.io).

A supervision is a clip: a person speaks a text in a part of a recording. The rows are read as they are, since their
keys are few, and lhotse itself would load torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kespeechchat.config.load import ConfigError
from kespeechchat.display import value_kind
from kespeechchat.inputs.speech.found import Corpus, Fields, Found
from kespeechchat.inputs.speech.manifests import language_code, text_of
from kespeechchat.inputs.speech.tables import Line, table_rows

_ENDINGS = (".jsonl", ".jsonl.gz")
_SAME = 0.01  # seconds by which a supervision may miss the recording's ends and still be all of it
Row = Mapping[str, Any]


def kind_of(row: Mapping[str, object]) -> str | None:
    """recordings, supervisions or cuts, by the keys of one row; None where it is no row of lhotse's."""
    if isinstance(row.get("sources"), list) and "sampling_rate" in row:
        return "recordings"
    if isinstance(row.get("supervisions"), list) and "start" in row:
        return "cuts"
    return "supervisions" if {"id", "recording_id", "start", "duration"} <= row.keys() else None


def manifests_in(folder: Path) -> list[Path]:
    """The supervisions of a folder, or its cuts where it has none; an empty list where it has neither."""
    files = sorted(f for f in folder.iterdir() if f.name.endswith(_ENDINGS) and not f.name.startswith("."))
    supervisions = [f for f in files if "supervisions" in f.name and partner(f)]
    return supervisions or [f for f in files if "cuts" in f.name]


def partner(supervisions: Path) -> Path | None:
    """The recordings of a file of supervisions: `x_supervisions_dev.jsonl.gz` → `x_recordings_dev.jsonl.gz`."""
    names = [supervisions.name.replace("supervisions", "recordings")]
    names.append(names[0].removesuffix(".gz") if names[0].endswith(".gz") else names[0] + ".gz")
    found = (supervisions.with_name(name) for name in names if name != supervisions.name)
    return next((file for file in found if file.is_file()), None)


def cuts(path: Path, lines: Iterator[Line]) -> Corpus:
    """The supervisions of a file of cuts."""
    return Corpus("lhotse cuts", (clip for number, row in lines for clip in _of_cut(number, row, path.parent)))


def supervisions(path: Path, lines: Iterator[Line]) -> Corpus:
    """A file of supervisions, with the recordings beside it. Raises ConfigError where these are missing."""
    beside = partner(path)
    if beside is None:
        raise ConfigError(f"{path}: lhotse supervisions without their recordings; put {_wanted(path)} beside them")
    return Corpus("lhotse recordings and supervisions", _of_supervisions(lines, beside))


def _wanted(path: Path) -> str:
    return path.name.replace("supervisions", "recordings") if "supervisions" in path.name else "recordings.jsonl.gz"


def _of_supervisions(lines: Iterator[Line], beside: Path) -> Iterator[Found]:
    recordings = {str(row.get("id")): row for _, row in table_rows(beside) if not isinstance(row, str)}
    for number, row in lines:
        if isinstance(row, str):
            yield Found(number, {}, row)
        elif (name := str(row.get("recording_id"))) in recordings:
            yield _clip(number, row, recordings[name], beside.parent, 0.0)
        else:
            yield Found(number, {}, f"recording_id is {name!r}, and {beside.name} has no such recording; add it there")


def _of_cut(number: int, row: Row | str, folder: Path) -> Iterator[Found]:
    if isinstance(row, str):
        yield Found(number, {}, row)
        return
    recording, inside = row.get("recording"), row.get("supervisions")
    if not isinstance(recording, Mapping) or not isinstance(inside, list) or not inside:
        yield Found(
            number, {}, "a cut without `recording` or `supervisions` (mixed and padded cuts are not read); leave it out"
        )
        return
    for one in inside:
        if isinstance(one, Mapping):
            yield _clip(number, one, recording, folder, row.get("start"))
        else:
            yield Found(number, {}, f"a supervision is {value_kind(one)}, not an object; correct the cut")


def _clip(number: int, supervision: Row, recording: Row, folder: Path, offset: object) -> Found:
    try:
        fields, seconds = _fields(supervision, recording, folder, _seconds(offset, "start"))
    except ValueError as error:
        return Found(number, {}, str(error))
    return Found(number, fields, None, seconds)


def _fields(said: Row, recording: Row, folder: Path, offset: float) -> tuple[Fields, float]:
    fields = Fields(recording=_text(recording, "id"), path=str(folder / _source(recording)))
    start = _seconds(_sum(offset, said.get("start")), "start")
    seconds, whole = _seconds(said.get("duration"), "duration"), _seconds(recording.get("duration"), "duration")
    if start > _SAME or start + seconds < whole - _SAME:
        fields["start"], fields["duration"] = round(start, 4), seconds
    if said.get("speaker") is not None:
        fields["speaker"] = _text(said, "speaker")
    if said.get("text"):
        fields["transcript"] = _text(said, "text")
    if said.get("language"):
        fields["language"] = language_code(_text(said, "language").replace("English", "en").replace("Chinese", "zh"))
    if said.get("gender"):
        fields["gender"] = _text(said, "gender")
    channel = said.get("channel")
    if _channels(recording) > 1 and isinstance(channel, int):
        fields["channel"] = str(channel)
    return fields, seconds


def _sum(offset: float, start: object) -> object:
    """In a cut, a supervision's start counts from the cut's, and is negative where it began before."""
    start = _real(start)
    return round(offset + start, 6) if isinstance(start, float) else start


def _source(recording: Row) -> str:
    sources = recording.get("sources")
    only = sources[0] if isinstance(sources, list) and len(sources) == 1 else None
    if isinstance(only, Mapping) and only.get("type") == "file" and isinstance(only.get("source"), str):
        return str(only["source"])
    raise ValueError(f"recording {recording.get('id')!r}: its source is not a single file; save its audio as a file")


def _channels(recording: Row) -> int:
    channels = recording["sources"][0].get("channels")
    return len(channels) if isinstance(channels, list) else 1


def _text(row: Row, key: str) -> str:
    try:
        return text_of(row.get(key))
    except ValueError as error:
        raise ValueError(f"{key} {error}") from None


def _real(value: object) -> object:
    """A number as float; all else, and a number too large for one, as it is."""
    try:
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
    except OverflowError:
        return value


def _seconds(value: object, key: str) -> float:
    number = _real(value)
    if isinstance(number, float) and math.isfinite(number) and number >= 0:
        return number
    raise ValueError(f"{key} is {str(value)[:40]!r}, not seconds; write a number from 0 on")
