"""Arrays that appear whole or not at all."""

from __future__ import annotations

import json

import pytest

from kespeechchat.dataset.json_array import JsonArray


def test_the_array_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "metadata.json"
    with pytest.raises(RuntimeError), JsonArray(path) as array:
        array.append({"id": "a"})
        raise RuntimeError("killed")
    assert list(tmp_path.iterdir()) == []
    with JsonArray(path) as array:
        array.append({"id": "甲"})
        assert not path.exists()
        array.append({"id": "b"})
    assert json.loads(path.read_text("utf-8")) == [{"id": "甲"}, {"id": "b"}]
    with JsonArray(path):
        pass
    assert json.loads(path.read_text("utf-8")) == []
