"""One two-channel file a dialogue: the user on the left, the agent on the right, one after the other.

`audio/ID.flac` (or .wav), 16 bit; folders fan out by a hash of the id where there are many. `dialogues.jsonl` has a
line for each dialogue: its file, its turns' times, texts and voices.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kespeechchat.config.dataset import ExportSettings
from kespeechchat.dataset.metadata import CHANNELS
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import Done, ExportFolder
from kespeechchat.export.wav_tree import ExportError
from kespeechchat.seeds import stable_hash

_LIST = "dialogues.jsonl"


def export(
    dialogues: Dialogues,
    to: Path,
    *,
    settings: ExportSettings | None = None,
    container: Literal["flac", "wav"] = "flac",
) -> Done:
    """Writes below `to`; the list alone in an export without audio. Raises ExportError for audio that does not fit its
    row, for sample rates that differ, and for very many files that nobody asked for."""
    settings = settings or ExportSettings()
    many_files(dialogues, settings)
    fan_out, audio = len(dialogues) > settings.many, dialogues.audio
    rate = dialogues.selection.rate()
    options = {"audio": audio, "container": container, "fan_out": fan_out, "version": 1}
    ours = rf"audio/(?:[0-9a-f]{{2}}/)?[^/]+\.(?:flac|wav)|{_LIST}"
    folder = ExportFolder(to, "stereo", ours, dialogues, options)
    list_part = folder.parts((_LIST,))[0]
    with list_part.open("w", encoding="utf-8", newline="\n") as lines:
        for row in dialogues:
            name = f"audio/{fan(row['id'], fan_out)}{row['id']}.{container}"
            if audio and not folder.has(name):
                write_file(folder, name, encoded(joined(row, dialogues.speech(row)), rate, container))
            said = {**dialogues.facts(row), **timing(row), **({"audio": name} if audio else {})}
            lines.write(json.dumps(said, ensure_ascii=False, allow_nan=False) + "\n")
    folder.publish((_LIST,))
    return Done(len(dialogues), folder.written, folder.kept)


def many_files(dialogues: Dialogues, settings: ExportSettings) -> None:
    """Raises ExportError where files, one a dialogue, would be very many and nobody asked for them."""
    if settings.audio is None and dialogues.audio and len(dialogues) > settings.many:
        raise ExportError(
            f"{len(dialogues):,} dialogues make as many audio files: ask for them "
            "(--audio), or for the rest alone (--no-audio), or take a layout of shards: huggingface, webdataset, lhotse"
        )


def fan(dialogue_id: str, fan_out: bool) -> str:
    """What stands before a file's name: `ab/` or nothing."""
    return f"{stable_hash(dialogue_id) >> 56:02x}/" if fan_out else ""


def write_file(folder: ExportFolder, name: str, data: bytes) -> None:
    (part,) = folder.parts((name,))
    part.write_bytes(data)
    folder.publish((name,))


def timing(row: Mapping[str, Any]) -> dict[str, float]:
    """When the agent begins and the dialogue ends, in seconds; the user begins at 0."""
    user, agent = (turn["seconds"] for turn in row["turns"])
    return {"agent_start": round(user, 4), "seconds": round(user + agent, 4)}


def joined(row: Mapping[str, Any], speech: Mapping[str, bytes]) -> np.ndarray:
    """The dialogue as int16 [T, 2]: the very samples of each turn, silence on the other channel."""
    import soundfile

    turns = [
        (CHANNELS[t["role"]], soundfile.read(io.BytesIO(speech[t["role"]]), dtype="int16")[0]) for t in row["turns"]
    ]
    out = np.zeros((sum(len(samples) for _, samples in turns), len(CHANNELS)), dtype=np.int16)
    clock = 0
    for channel, samples in turns:
        out[clock : clock + len(samples), channel] = samples
        clock += len(samples)
    return out


def encoded(samples: np.ndarray, rate: int, container: Literal["flac", "wav"] = "flac") -> bytes:
    """int16 [T, C] as a file's bytes."""
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=container.upper(), subtype="PCM_16")
    return out.getvalue()
