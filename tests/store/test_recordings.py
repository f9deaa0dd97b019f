"""Recordings of a voice library: read a few at a time from its file, and no more kept than stated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from kespeechchat.records import SCHEMAS, Outcome
from kespeechchat.store.recordings import LibraryRecordings
from kespeechchat.store.shards import to_parquet
from tests.store.test_ranged import Counting

VOICES, SIZE, GROUP, WORDS = 400, 20_000, 4, 3


@dataclass
class Data:
    """What a commit record says of its data."""

    file: str
    size: int


def sound(n: int, language: str) -> bytes:
    return np.random.default_rng([n, len(language), ord(language[0])]).bytes(SIZE)


def voice(n: int) -> Outcome:
    languages = ("zh", "en") if n % 3 else ("zh",)
    prompts = [{"language": own, "text": f"{own} {n}", "audio": sound(n, own)} for own in languages]
    return Outcome({"id": f"v-{n:03d}", "prompts": prompts if n != 7 else None})


def speaker_of_words(n: int) -> Outcome:
    """A voice that has words and no recording to speak from."""
    words = [{"language": "en", "text": f"{word} {n}", "audio": sound(WORDS * n + word, "en")} for word in range(WORDS)]
    return Outcome({"id": f"v-{n:03d}", "backchannels": words})


def library(tmp_path: Path, voices: Iterable[Outcome]) -> tuple[Counting, Data]:
    store = Counting(str(tmp_path))
    data = to_parquet([("voices", one) for one in voices], SCHEMAS["voices"])
    store.put("voices/data.parquet", data)
    return store, Data("voices/data.parquet", len(data))


@pytest.fixture
def stored(tmp_path) -> tuple[Counting, Data]:
    return library(tmp_path, map(voice, range(VOICES)))


def test_each_voice_has_its_own_recording_in_the_language(stored):
    recordings = LibraryRecordings(*stored)
    asked = [f"v-{n:03d}" for n in (399, 1, 0, 250, 7)]
    assert recordings.of(asked, "zh") == {
        f"v-{n:03d}": {"text": f"zh {n}", "audio": sound(n, "zh")} for n in (399, 1, 0, 250)
    }
    assert recordings.of(asked, "en") == {f"v-{n:03d}": {"text": f"en {n}", "audio": sound(n, "en")} for n in (1, 250)}
    with pytest.raises(KeyError, match="nobody"):
        recordings.of(["nobody"], "en")


def test_the_file_is_read_in_parts(stored):
    store, data = stored
    recordings = LibraryRecordings(store, data)
    assert store.bytes_read < data.size / 10  # ids and footer
    store.bytes_read = 0
    recordings.of(["v-100", "v-101"], "zh")
    assert 2 * SIZE < store.bytes_read < GROUP * 2 * SIZE + 20_000 < data.size / 10


def test_words_of_a_library_without_recordings_are_read_in_parts(tmp_path):
    store, data = library(tmp_path, map(speaker_of_words, range(VOICES)))
    words = LibraryRecordings(store, data, "backchannels")
    store.bytes_read = 0
    found = words.every(["v-100", "v-101"], "en")
    assert WORDS * 2 * SIZE < store.bytes_read < GROUP * WORDS * SIZE + 20_000 < data.size / 10
    assert found["v-101"][2] == {"text": "2 101", "audio": sound(WORDS * 101 + 2, "en")}


def test_what_was_asked_for_last_is_kept_and_no_more_than_stated(stored):
    store, data = stored
    recordings = LibraryRecordings(store, data, held=5 * SIZE)
    many = {f"v-{n:03d}" for n in range(100, 120)}
    assert set(recordings.of(many, "zh")) == many  # more than are kept
    assert recordings._size == sum(len(one["audio"]) for own in recordings._kept.values() for one in own) == 5 * SIZE
    for asked in ("v-001", "v-002", "v-001", "v-004", "v-005", "v-010", "v-008"):
        recordings.of([asked], "zh")
    store.bytes_read = 0
    assert recordings.of(["v-001", "v-008"], "zh")["v-001"]["audio"] == sound(1, "zh")
    assert store.bytes_read == 0  # used again since, so `v-002` went in its place
    for _ in "ab":
        store.bytes_read = 0
        assert recordings.of(["v-003"], "en") == {}
    assert store.bytes_read == 0  # that there is none is known
    recordings.of(["v-002"], "zh")
    assert store.bytes_read > 0
