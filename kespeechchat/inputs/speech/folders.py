"""A folder of audio without any text: the names of folders and files say who speaks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kespeechchat.inputs.speech.found import Corpus, Fields, Found, audio_files


def folder(path: Path, speaker_folder: int | None) -> Corpus:
    """The audio files below `path`. `speaker_folder`: the level of the folders that are people, from 1."""
    return Corpus("a folder of audio", _clips(path, speaker_folder))


def _clips(folder: Path, speaker_folder: int | None) -> Iterator[Found]:
    """A recording is a subfolder; in a flat folder the file's name up to the first '-' or '_'."""
    for number, file in enumerate(audio_files(folder), 1):
        inside = file.relative_to(folder).parent
        recording = inside.as_posix() if inside.parts else file.stem.replace("_", "-").split("-")[0]
        fields = Fields(recording=recording, path=str(file))
        problem = None
        if speaker_folder is not None:
            if len(inside.parts) >= speaker_folder:
                fields["speaker"] = inside.parts[speaker_folder - 1]
            else:
                problem = (
                    f"{file.relative_to(folder).as_posix()} is in {len(inside.parts)} folders, and `speaker_folder: "
                    f"{speaker_folder}` names the person; move the file or change speech.inputs.speaker_folder"
                )
        yield Found(number, fields, problem)
