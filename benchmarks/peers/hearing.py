"""What the peers' sides share in the fifth work, without this project's code: files of rows, the recognizer, the WER.

Each side calls it from a step of its own kind; faster-whisper and jiwer are imported in the processes that need them.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

AT_ONCE = 2  # processes that recognize, of one thread each


def parts(rows: str, size: int) -> Path:
    """The folder of the same rows in files of `size`, made once: some libraries share out or resume whole files."""
    folder = Path(rows).with_name("parts")
    if not folder.exists():
        folder.mkdir()
        lines = Path(rows).read_text(encoding="utf-8").splitlines(keepends=True)
        for start in range(0, len(lines), size):
            (folder / f"{start // size:05d}.jsonl").write_text("".join(lines[start : start + size]), encoding="utf-8")
    return folder


@cache
def recognizer(weights: str, compute_type: str) -> Any:
    """faster-whisper's model, once a process."""
    from faster_whisper import WhisperModel

    return WhisperModel(weights, device="cpu", compute_type=compute_type, cpu_threads=1, local_files_only=True)


def heard(path: str, reference: str, how: dict[str, Any]) -> dict[str, Any]:
    """`transcript` of a WAV file and its `error_rate` against `reference`. `how`: the job's weights, compute type and
    beam. A beam at temperature 0 over Whisper's whole window, without times, as ours decodes."""
    segments, _ = recognizer(how["weights"], how["compute_type"]).transcribe(
        path,
        language="en",
        beam_size=how["beam"],
        temperature=0.0,
        condition_on_previous_text=False,
        without_timestamps=True,
    )
    transcript = "".join(segment.text for segment in segments).strip()
    return {"transcript": transcript, "error_rate": error_rate(reference, transcript)}


def error_rate(reference: str, transcript: str) -> float:
    """WER by jiwer, letters' case and punctuation aside."""
    import jiwer

    return float(jiwer.wer(_plain(reference), _plain(transcript)))


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s']", " ", text.lower()).split())


def write_heard(job: dict[str, Any], rows: Any) -> None:
    """The file that the driver reads: id, transcript and error rate of each of `rows`."""
    with open(job["read"], "w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps({name: row[name] for name in ("id", "transcript", "error_rate")}) + "\n")


def json_rows(folder: str, pattern: str = "*.jsonl") -> Any:
    """The rows of all such files."""
    for file in sorted(Path(folder).glob(pattern)):
        yield from map(json.loads, file.read_text(encoding="utf-8").splitlines())
