"""The screening: whatever is added later, what was found before stays, and processes change nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.inputs.excluded import with_excluded_digests
from kespeechchat.inputs.screening import screen, told
from kespeechchat.inputs.sharding import shard_inputs
from kespeechchat.store.local import LocalFolder
from kespeechchat.store.manifest import planned_rows
from kespeechchat.store.screened import refusals

QUICKSTART = Path(__file__).parents[2] / "pipelines" / "quickstart.yaml"
LONG = "How do I get from the old harbour to the railway station by bus on a Sunday?"
LONG_ZH = "星期天早上从老港口坐公共汽车到火车站最快的路线应该怎么走才好，路上又要花多少时间呢？"
NEAR = {LONG: LONG.replace("a Sunday", "a Monday"), LONG_ZH: LONG_ZH.replace("早上", "早晨")}


def _pipeline(root, *files, exclude=(), near="{}", shard=3, reference=False):
    texts = ", ".join(f"{{path: {file}}}" for file in exclude)
    overrides = (
        f"instructions.near_duplicates={near}",
        f"instructions.exclude=[{texts}]",
        f"instructions.shard_size={shard}",
        f"stages.ingest.require_reference={str(reference).lower()}",
    )
    return with_excluded_digests(load_pipeline(QUICKSTART, overrides, inputs=[str(f) for f in files], root=str(root)))


def _screened(root, *files, processes=1, **options):
    """Each planned row's text, in the order of the plan → (reason, detail) or None; and the manifest of the plan."""
    pipeline, store = _pipeline(root, *files, **options), LocalFolder(str(root))
    manifest = shard_inputs(store, pipeline, "instructions")
    screened = screen(store, pipeline, manifest, processes)
    found = {shard.number: refusals(store, shard) for shard in screened.shards} if screened else {}
    rows = []
    for shard in manifest.shards:
        for place, row in enumerate(planned_rows(store, shard).to_pylist()):
            rows.append((row["id"], row["raw"], found.get(shard.number, {}).get(place)))
    return rows, screened


def _write(path, questions):
    path.write_text("".join(json.dumps({"instruction": q}, ensure_ascii=False) + "\n" for q in questions), "utf-8")
    return path


def _reasons(rows):
    return {json.loads(raw)["instruction"]: refusal and refusal[0] for _, raw, refusal in rows}


@pytest.mark.parametrize("first", NEAR)
def test_the_first_wins_and_the_other_says_which(tmp_path, first):
    rows, screened = _screened(tmp_path / "root", _write(tmp_path / "a.jsonl", [first, "Why?", NEAR[first], first]))
    assert _reasons(rows) == {first: None, "Why?": None, NEAR[first]: "near_duplicate"} | {first: None}
    (refused,) = (refusal for _, _, refusal in rows if refusal)
    original = next(id_ for id_, raw, _ in rows if json.loads(raw)["instruction"] == first)
    assert refused[1].endswith(f"% like {original}")
    assert told(screened) == ["1 row rejected as near_duplicate: nearly the same as an earlier one"]


def test_the_same_text_of_another_source_is_found_and_what_ingest_refuses_stands_for_nothing(tmp_path):
    code = "Write a Python program that prints how to get from the harbour to the station?"
    one = _write(tmp_path / "a.jsonl", [code, LONG])
    two = _write(tmp_path / "b.jsonl", [LONG.upper(), f"{code} Now."])
    rows, _ = _screened(tmp_path / "root", one, two)
    assert [refusal and refusal[0] for _, _, refusal in rows] == [None, None, "near_duplicate", None]


def test_a_row_without_the_reference_that_is_required_gives_way_to_a_later_one_with_it(tmp_path):
    file = tmp_path / "a.jsonl"
    rows = ({"instruction": LONG}, {"instruction": NEAR[LONG], "output": "Take number nine."})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found, _ = _screened(tmp_path / "root", file, reference=True)
    assert [refusal for _, _, refusal in found] == [None, None]
    found, _ = _screened(tmp_path / "root", file)
    assert [refusal and refusal[0] for _, _, refusal in found] == [None, "near_duplicate"]


def test_both_off_screens_nothing(tmp_path):
    rows, screened = _screened(tmp_path / "root", _write(tmp_path / "a.jsonl", [LONG, NEAR[LONG]]), near="null")
    assert screened is None
    assert not (tmp_path / "root" / "plan" / "screened").exists()
    assert [refusal for _, _, refusal in rows] == [None, None]


def test_a_text_of_an_excluded_file_is_contaminated_and_stands_for_nothing(tmp_path):
    bench = _write(tmp_path / "bench.jsonl", ["Why do bees hum in the summer, and who hears them?", LONG])
    file = _write(tmp_path / "a.jsonl", [f"Now: {LONG}", NEAR[LONG].replace("old harbour", "new harbour")])
    rows, screened = _screened(tmp_path / "root", file, exclude=[bench])
    assert [refusal and refusal[0] for _, _, refusal in rows] == ["contaminated", None]
    assert rows[0][2][1] == "has 100% of its n-grams in common with bench.jsonl:2"
    assert told(screened) == ["1 row rejected as contaminated, found in excluded files: bench.jsonl 1"]


def test_another_content_of_an_excluded_file_is_another_screening_and_another_path_is_not(tmp_path):
    file = _write(tmp_path / "a.jsonl", [LONG])
    bench = _write(tmp_path / "bench.jsonl", ["Something else entirely?"])
    rows, _ = _screened(tmp_path / "root", file, exclude=[bench])
    assert rows[0][2] is None
    before = _pipeline(tmp_path / "root", file, exclude=[bench]).screening
    moved = _write(tmp_path / "moved.jsonl", ["Something else entirely?"])
    assert _pipeline(tmp_path / "root", file, exclude=[moved]).screening == before
    _write(bench, [LONG])
    assert _pipeline(tmp_path / "root", file, exclude=[bench]).screening != before
    rows, _ = _screened(tmp_path / "root", file, exclude=[bench])
    assert rows[0][2][0] == "contaminated"


QUESTIONS = st.lists(
    st.tuples(st.sampled_from([LONG, NEAR[LONG], LONG_ZH, NEAR[LONG_ZH], "Why?", "为什么？"]), st.integers(0, 1)).map(
        lambda drawn: drawn[0] + "!" * drawn[1]
    ),
    max_size=10,
)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(QUESTIONS, QUESTIONS)
def test_lines_added_later_change_no_earlier_verdict_and_come_to_what_one_pass_would(tmp_path_factory, before, added):
    tmp = tmp_path_factory.mktemp("screen")
    first, _ = _screened(tmp / "root", _write(tmp / "a.jsonl", before))
    second, _ = _screened(tmp / "root", _write(tmp / "a.jsonl", before + added))
    assert second[: len(first)] == first
    at_once, _ = _screened(tmp / "other", _write(tmp / "a.jsonl", before + added))
    assert {id_: refusal for id_, _, refusal in second} == {id_: refusal for id_, _, refusal in at_once}


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(QUESTIONS, st.integers(1, 5))
def test_the_size_of_a_shard_changes_no_verdict(tmp_path_factory, questions, size):
    tmp = tmp_path_factory.mktemp("screen")
    file = _write(tmp / "a.jsonl", questions)
    rows = [_screened(tmp / f"root{n}", file, shard=n)[0] for n in (size, 100)]
    assert {i: refusal for i, _, refusal in rows[0]} == {i: refusal for i, _, refusal in rows[1]}


@pytest.mark.slow
def test_processes_change_nothing(tmp_path):
    asked = [f"{LONG} {n % 7} {n % 3}" for n in range(60)] + [f"第{n}个地方有多远？" for n in range(60)]
    file = _write(tmp_path / "a.jsonl", asked)
    bench = _write(tmp_path / "bench.jsonl", [f"{LONG} 5 5"])
    one, two = (_screened(tmp_path / f"root{n}", file, exclude=[bench], processes=n) for n in (1, 2))
    assert one[0] == two[0]
    assert [s.checksum for s in one[1].shards] == [s.checksum for s in two[1].shards]


def test_a_second_screening_of_the_same_writes_nothing(tmp_path):
    file = _write(tmp_path / "a.jsonl", [LONG, NEAR[LONG]])
    _screened(tmp_path / "root", file)
    before = sorted((tmp_path / "root").rglob("*"))
    _screened(tmp_path / "root", file)
    assert sorted((tmp_path / "root").rglob("*")) == before


def test_a_missing_excluded_file_is_told_before_anything_is_planned(tmp_path):
    with pytest.raises(ConfigError, match=r"instructions\.exclude: .*no such file"):
        _pipeline(tmp_path / "root", _write(tmp_path / "a.jsonl", [LONG]), exclude=[tmp_path / "gone.jsonl"])
