"""Settings of the screening: which planned rows are too like an earlier one, or like a text that must not be in the
dataset."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kespeechchat.config.base import Settings
from kespeechchat.records import Language

_Tokens = Annotated[int, Field(ge=1)]


class NearDuplicates(Settings):
    """Rejects a row that says nearly the same as an earlier one."""

    threshold: float = Field(
        0.8, ge=0.5, le=1, description="least share of common n-grams (Jaccard), of all that either text has"
    )
    ngram: dict[Language, _Tokens] = Field(
        {"zh": 2, "en": 2}, description="tokens of an n-gram: characters (zh), words"
    )
    permutations: int = Field(112, ge=16, le=512, description="hashes of a MinHash signature")


class Overlap(Settings):
    """When a row counts as a text of an excluded file."""

    ngram: dict[Language, _Tokens] = Field(
        {"zh": 10, "en": 6},
        description="tokens of an n-gram: characters (zh), words; a text of no more is compared whole",
    )
    share: float = Field(
        0.5, gt=0, le=1, description="least share of common n-grams with one excluded text, of the shorter one's"
    )
