"""What tests of a build share."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from kespeechchat.records import Outcome
from kespeechchat.stages.base import Task
from kespeechchat.stages.flow import STAGE_CLASSES


@pytest.fixture
def behaves(monkeypatch) -> Callable[..., None]:
    """Gives a stage another `process`, and no engines."""

    def change(name: str, process: Callable[[Task], Iterable[Outcome]]) -> None:
        real = STAGE_CLASSES[name]
        body = {"process": lambda self, task: process(task), "setup": lambda self: None}
        monkeypatch.setitem(STAGE_CLASSES, name, type(f"Test{name}", (real,), body))

    return change
