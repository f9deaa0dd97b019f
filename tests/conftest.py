"""What tests share: a profile whose text and audio branches run without models where a test needs no model."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from kespeechchat.records import Outcome
from kespeechchat.stages.base import Task
from kespeechchat.stages.flow import STAGE_CLASSES
from tests.store.s3_proxy import Proxy
from tests.store.s3_server import BUCKET, S3Server

ROOT = Path(__file__).parent.parent
_LONGEST = ("test_quickstart", "test_ray_kills", "test_commit_kills", "test_chaos", "test_cluster", "test_trial")
settings.register_profile("kesc", deadline=None)  # how long an example takes says what else the machine does
settings.register_profile("fast", deadline=None, max_examples=15)  # of `make test-fast`
settings.load_profile("kesc")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, then those with models or kills, so that none of them runs alone at the end."""
    first = {name: place for place, name in enumerate(_LONGEST)}
    heavy = {i.path for i in items if i.get_closest_marker("model") or i.get_closest_marker("faults")}
    items.sort(key=lambda item: (first.get(item.path.stem, len(first)), item.path not in heavy))


@pytest.fixture
def quickstart() -> Path:
    """The shipped quick-start profile."""
    return ROOT / "pipelines" / "quickstart.yaml"


@pytest.fixture
def ear(monkeypatch) -> type:
    """`kesc interleave` without models."""
    from tests.interleaving import without_models

    return without_models(monkeypatch)


@pytest.fixture
def behaves(monkeypatch) -> Callable[..., None]:
    """Gives a stage another `process`, and no engines."""

    def change(name: str, process: Callable[[Task], Iterable[Outcome]]) -> None:
        real = STAGE_CLASSES[name]
        body = {"process": lambda self, task: process(task), "setup": lambda self: None}
        monkeypatch.setitem(STAGE_CLASSES, name, type(f"Test{name}", (real,), body))

    return change


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3") / "weed")
    yield server
    server.close()


@pytest.fixture
def s3_root(s3_server, monkeypatch) -> str:
    """A fresh prefix of the bucket, and the environment that leads to it."""
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{secrets.token_hex(6)}"


@pytest.fixture
def proxy(s3_server, s3_root, monkeypatch) -> Iterator[Proxy]:
    """What stands between `s3_root` and its server from here on."""
    proxy = Proxy(s3_server.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    yield proxy
    proxy.close()
