"""What the fault tests share: cheap commands, and one undisturbed build of all stages to hold others against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.tonal.world import World
from tests.faults.builds import Kesc


@pytest.fixture(scope="session")
def kesc(tmp_path_factory) -> Iterator[Kesc]:
    commands = Kesc(tmp_path_factory.mktemp("kesc"))
    yield commands
    commands.close()


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> World:
    return World(tmp_path_factory.mktemp("world"), rows=6, shard_size=3, clip_shard_size=14)


@pytest.fixture(scope="session")
def undisturbed(world, kesc, tmp_path_factory) -> Path:
    """The ROOT of a finished build of `world`. It must not be changed."""
    root = tmp_path_factory.mktemp("undisturbed") / "root"
    assert kesc(world.command(root, "--inline")) == 0, kesc.said
    return root
