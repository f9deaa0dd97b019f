"""Orders: the form of their inputs' ingredients, which every fingerprint depends on, and their generation."""

from __future__ import annotations

from pathlib import Path

import pytest

from kespeechchat.config.load import load_pipeline
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.stages.base import Reads
from kespeechchat.state.expected import ExpectedShard, Orders
from kespeechchat.state.orders import Input, Order
from kespeechchat.state.voice_pin import PinnedVoices
from kespeechchat.store.commit import Listing, ShardKey, short_hash

PIN = PinnedVoices("the content", 0, "9" * 12, 0)
A, B = ShardKey(0, "a" * 12, 3), ShardKey(1, "b" * 12, 0)


@pytest.fixture
def pipeline(quickstart: Path) -> Pipeline:
    return load_pipeline(quickstart, inputs=["q.jsonl"], root="root").model_copy(update={"contents": {}})


def _order(
    pipeline: Pipeline,
    stage: str,
    shard: ExpectedShard,
    *keys: ShardKey,
    pin: PinnedVoices | None = PIN,
    listing: Listing | None = None,
) -> Order:
    def keys_of(reads: Reads, number: int) -> tuple[ShardKey, ...]:
        assert number == shard.number
        return keys

    listing = listing or Listing({}, set(), {}, {})
    return Orders(pipeline, pin).order(pipeline.unit_of(stage), shard, listing, keys_of)


def _inputs(order: Order) -> dict[str, str]:
    return {k.removeprefix("input:"): v for k, v in order.ingredients.items() if k.startswith("input:")}


def test_a_shard_names_the_fingerprint_and_generation_of_the_one_it_reads(pipeline: Pipeline) -> None:
    order = _order(pipeline, "rewrite", ExpectedShard(0, "zh"), A)
    assert _inputs(order) == {"ingest": "aaaaaaaaaaaa.g3"}
    assert order.inputs == (Input("ingest", "ingest", (A,)),)


def test_a_reduce_stage_names_the_hash_of_all(pipeline: Pipeline) -> None:
    assert _inputs(_order(pipeline, "speakers", ExpectedShard(0, None), A, B)) == {
        "clips": short_hash(["aaaaaaaaaaaa.g3", "bbbbbbbbbbbb.g0"])
    }


def test_a_slice_names_its_rows(pipeline: Pipeline) -> None:
    order = _order(pipeline, "audition", ExpectedShard(0, None, part=(4, 8)), A)
    assert _inputs(order) == {"blend": "aaaaaaaaaaaa.g3[4:8]"}
    assert order.inputs == (Input("blend", "blend", (A,), 4, 8),)
    other = _order(pipeline, "audition", ExpectedShard(0, None, part=(4, 9)), A)
    assert other.key.fingerprint != order.key.fingerprint


@pytest.mark.parametrize(("pin", "named"), [(PIN, "the content"), (None, "none yet")])
def test_speech_names_the_content_of_the_pinned_voices(
    pipeline: Pipeline, pin: PinnedVoices | None, named: str
) -> None:
    order = _order(pipeline, "synthesize", ExpectedShard(7, "en"), A, pin=pin)
    assert _inputs(order) == {"spoken": "aaaaaaaaaaaa.g3", "voice library": named}
    assert (order.library, order.name) == (pin, "watermark")


@pytest.mark.parametrize(("committed", "corrupt", "generation"), [(None, None, 0), (2, None, 2), (None, 2, 3)])
def test_an_order_is_of_the_committed_generation_or_of_the_next(
    pipeline: Pipeline, committed: int | None, corrupt: int | None, generation: int
) -> None:
    shard = ExpectedShard(0, "zh")
    key = (0, _order(pipeline, "rewrite", shard, A).key.fingerprint)
    listing = Listing(
        {key: committed} if committed is not None else {}, set(), {key: corrupt} if corrupt is not None else {}, {}
    )
    assert _order(pipeline, "rewrite", shard, A, listing=listing).key.generation == generation


def test_a_setting_of_another_language_changes_no_fingerprint(quickstart: Path) -> None:
    before, after = (
        load_pipeline(quickstart, overrides, inputs=["q.jsonl"], root="root").model_copy(update={"contents": {}})
        for overrides in ((), ("stages.gate.max_error.zh=0.2",))
    )
    english, chinese = ExpectedShard(0, "en"), ExpectedShard(0, "zh")
    assert _order(before, "gate", english, A).key == _order(after, "gate", english, A).key
    assert _order(before, "gate", chinese, A).key != _order(after, "gate", chinese, A).key
