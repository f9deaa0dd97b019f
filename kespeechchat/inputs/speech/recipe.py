"""A recipe to synthesize: recordings, each with clips that are spoken in a mix of the TTS's stock styles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from kespeechchat.config.load import ConfigError, read_mapping
from kespeechchat.inputs.speech.found import Corpus, Fields, Found
from kespeechchat.inputs.speech.manifests import text_of


def recipe(path: Path) -> Corpus:
    """The clips of a recipe. Raises ConfigError where the file is none."""
    return Corpus("a recipe to synthesize", _clips(path))


def _clips(path: Path) -> Iterator[Found]:
    data, _ = read_mapping(path, "a recipe holds recordings")
    try:
        recordings = [(recording, list(recording["clips"])) for recording in data["recordings"]]
        rows = [_fields(recording, clip) for recording, clips in recordings for clip in clips]
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path}: not a recipe ({type(error).__name__}: {error}); recordings have id, language, style and clips, a "
            "clip is a text or has one; see examples/corpus.yaml"
        ) from None
    for number, fields in enumerate(rows, 1):
        yield Found(number, fields, _problem(fields))


def _problem(fields: Fields) -> str | None:
    """Makes names of numbers (`id: 1` is the recording "1"), and says what is missing or no text."""
    for key in ("recording", "language", "transcript", "gender"):
        try:
            if fields.get(key) is not None:
                fields[key] = text_of(fields[key])
        except ValueError as error:
            return f"{'id' if key == 'recording' else key} {error}"
    if not fields.get("recording"):
        return "no recording id; give each recording an `id`"
    if not fields.get("transcript"):
        return "a clip without text; write what is to be said"
    return None if fields.get("style") else "no style; give the recording or the clip a `style`"


def _fields(recording: dict[str, Any], clip: Any) -> Fields:
    clip = clip if isinstance(clip, dict) else {"text": clip}
    fields = {
        "recording": recording["id"],
        "language": recording["language"],
        "gender": recording.get("gender"),
        "transcript": clip["text"],
        "style": clip.get("style") or recording["style"],
    }
    return cast(Fields, fields)
