"""Speech tokens beside a turn's audio: kept as a column, told apart by their codebook, held to the audio's length."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from kespeechchat.speech_tokens import SPEECH_TOKENS, Codebook, SpeechTokens, muted

BOOK = Codebook(50.0, 4096, "digest")


def of(count: int, book: Codebook = BOOK) -> SpeechTokens:
    return SpeechTokens(np.arange(count, dtype=np.int32), book)


def test_a_column_gives_back_what_was_kept() -> None:
    column = pa.array([of(7).column(), None], SPEECH_TOKENS).to_pylist()
    kept, none = map(SpeechTokens.of, column)
    assert kept is not None and none is None and SpeechTokens.of({"ids": None}) is None
    assert kept.ids.tolist() == list(range(7)) and kept.ids.dtype == np.int32 and kept.codebook == BOOK
    others = (Codebook(25.0, 4096, "digest"), Codebook(50.0, 6561, "digest"), Codebook(50.0, 4096, "other"))
    assert all(kept.codebook != other for other in others)


@pytest.mark.parametrize("ids", [[0, 4096], [-1, 5]])
def test_an_id_that_the_codebook_lacks_is_never_kept(ids: list[int]) -> None:
    with pytest.raises(ValueError, match=f"from {ids[0]} to {ids[1]}, but the codebook has 4096"):
        SpeechTokens(np.array(ids, np.int32), BOOK).column()


def test_tokens_fit_audio_of_their_length_alone() -> None:
    """Up to a token, and to the frame of 12 ms that each piece of a long turn may lack."""
    assert of(500).misfit(10.0) is None and of(500).misfit(10.0 - 12 * 256 / 22050) is None
    assert of(500).misfit(9.7) == "500 speech tokens are 10.00 s of audio, and it has 9.70 s"
    assert of(500).misfit(10.3) is not None and of(5).misfit(0.09) is None and of(5).misfit(0.2) is not None


def test_a_muted_turn_has_neither_audio_nor_tokens() -> None:
    assert muted({"text": "a", "audio": b"x", "speech_tokens": {}}) == {
        "text": "a",
        "audio": None,
        "speech_tokens": None,
    }
    assert muted({"text": "a"}) == {"text": "a", "audio": None}, "no column where there was none"
