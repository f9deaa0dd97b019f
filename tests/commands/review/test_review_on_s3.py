"""The review of a build whose ROOT is an object store: drawn, imported and exported as from a folder."""

from __future__ import annotations

from typing import Any

import pytest

from kespeechchat.state.reviews import read_samples, read_saved
from kespeechchat.store.opening import open_store
from kespeechchat.store.remote import RemoteStore
from tests.commands.review.test_review import facts, kesc, pages, saved, take
from tests.commands.view import builds
from tests.spoken_again import Ground, inputs, record

pytestmark = pytest.mark.slow


@pytest.fixture
def ground(tmp_path, quickstart, monkeypatch, s3_root) -> Ground:
    class OnS3(Ground):
        def _record(self) -> None:
            inputs(self._folder)
            record(self.pipeline())

        def pipeline(self, *settings: str) -> Any:
            return super().pipeline(*settings).model_copy(update={"root": s3_root})

    monkeypatch.setattr(builds, "Ground", OnS3)
    return builds.spoken_build(tmp_path, quickstart, monkeypatch)


def test_a_review_is_drawn_imported_and_heeded(ground, tmp_path) -> None:
    assert isinstance(ground.store, RemoteStore)
    first, second = pages(ground, tmp_path / "to")
    early = saved(first, {"": "accept", "d00": "reject"}, "a" * 16)
    told = take(ground, early, saved(second, {"": "accept", "d00": "reject"}, "b" * 16))
    assert "12 verdicts of annotator-1" in told and "accepted 11, rejected 1" in told
    assert "was imported before" in take(ground, early)
    store = open_store(ground.store.url)  # as another machine opens it
    assert len(read_saved(store)) == 2 and len(read_samples(store)) == 1
    assert len(list(store.list("reviews/verdicts"))) == 2
    bad = saved(first, {"": "accept"}, "c" * 16, sample="0" * 12)
    code, said = kesc("--import", bad, "--root", ground.store.url)
    assert code == 2 and "was not drawn from this build" in said
    assert len(list(store.list("reviews/verdicts"))) == 2
    whole, told = facts(ground, tmp_path / "x")
    assert len(whole) == 11 and "left out 1 dialogue that annotators rejected" in told
    only, _ = facts(ground, tmp_path / "y", only_reviewed=True)
    assert set(only.values()) == {"accepted"} and "d00" not in only
