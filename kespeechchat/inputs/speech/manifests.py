"""Manifests: the columns that people give them, and the fields that these fill.

NeMo's manifests (`audio_filepath`, `text`, `duration`, `offset`, `speaker`) and Common Voice's tables (`path`,
`sentence`, `client_id`, `gender`, `locale`) are manifests with names of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from kespeechchat.display import value_kind
from kespeechchat.inputs.speech.found import Corpus, Fields, Found
from kespeechchat.inputs.speech.tables import Line

# field → the columns that fill it, the first that holds something
NAMES = {
    "path": ("path", "audio", "file", "audio_path", "audio_filepath", "wav", "audio_file", "file_name"),
    "recording": ("recording", "recording_id", "session"),
    "speaker": ("speaker", "speaker_id", "client_id", "spk_id"),
    "transcript": ("transcript", "text", "sentence", "transcription"),
    "gender": ("gender", "sex"),
    "language": ("language", "lang", "locale"),
    "dnsmos": ("dnsmos", "corpus_dnsmos"),
    "start": ("offset",),
    "duration": ("duration",),
    "channel": ("channel",),
}
_NUMBERS = ("start", "duration")
_CANTONESE = ("zh-hk", "zh_hk", "zh-yue")


def manifest(
    path: Path, lines: Iterator[Line], first: Mapping[str, object], speaker_folder: int | None = None
) -> Corpus:
    """A manifest of one clip a row. `first`: its first sound row, by whose columns it is recognized. `speaker_folder`:
    which folder of a clip's path, from 1, is the person where no column says so."""
    layout, folder = "a manifest", path.parent
    if "audio_filepath" in first:
        layout = "a NeMo manifest"
    elif {"client_id", "path", "sentence"} <= first.keys():
        layout = "Common Voice"
        folder = folder / "clips" if (folder / "clips").is_dir() else folder
    return Corpus(layout, (_clip(number, row, folder, speaker_folder) for number, row in lines))


def _clip(number: int, row: Mapping[str, object] | str, folder: Path, speaker_folder: int | None) -> Found:
    if isinstance(row, str):
        return Found(number, {}, row)
    given: dict[str, str | float] = {}
    problem = None
    for field, columns in NAMES.items():
        column = next((c for c in columns if row.get(c) not in (None, "")), None)
        if column is None:
            continue
        try:
            given[field] = _number(row[column]) if field in _NUMBERS else text_of(row[column])
        except ValueError as error:
            problem = problem or f"{column} {error}"
    folders = Path(str(given.get("path", ""))).parts[:-1]
    if speaker_folder is not None and "speaker" not in given and len(folders) >= speaker_folder:
        given["speaker"] = folders[speaker_folder - 1]
    fields, seconds = _fields(given, folder)
    return Found(number, fields, problem or _lacking(fields, row), seconds)


def _lacking(fields: Fields, row: Mapping[str, object]) -> str | None:
    known = ", ".join(sorted(str(k) for k in row)[:8])
    if not fields.get("recording"):
        return f"no recording id (its columns: {known}); add a column `recording` or `speaker`, or set speaker_folder"
    return None if fields.get("path") else f"no audio path (its columns: {known}); add a column `path`"


def _fields(given: dict[str, str | float], folder: Path) -> tuple[Fields, float | None]:
    """The fields, and the clip's length where it is stated. A speaker alone is also the recording."""
    duration = given.pop("duration", None)
    speaker = given.pop("speaker", None)
    if "recording" in given and speaker is not None:
        given["speaker"] = speaker
    elif speaker is not None:
        given["recording"] = speaker
    if "path" in given:
        given["path"] = str(folder / str(given["path"]))  # an absolute path stays itself
    if "language" in given:
        given["language"] = language_code(str(given["language"]))
    if "start" in given and duration is not None:
        given["duration"] = duration
    elif "start" in given:
        del given["start"]
    # the keys are checked above, and mypy takes no ** for a TypedDict
    return Fields(**given), None if duration is None else float(duration)  # type: ignore[typeddict-item]


def text_of(value: object) -> str:
    """A value as text: `0` and `1` are the names "0" and "1". Raises ValueError for what is no text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"is {value_kind(value)}, not text; write the text itself (audio: the path of a file)")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"is {value}, not text; leave it empty where nothing is known")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _number(value: object) -> float:
    try:
        if isinstance(value, (str, int, float)) and math.isfinite(number := float(value)) and number >= 0:
            return number
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"is {str(value)[:40]!r}, not seconds; write a number from 0 on")


def language_code(name: str) -> str:
    """`zh-CN` → `zh`, `en_US` → `en`; others, Cantonese among them, as they are."""
    low = name.lower()
    code = low.replace("_", "-").split("-")[0]
    return code if code in ("zh", "en") and low not in _CANTONESE else name
