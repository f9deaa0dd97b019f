"""What one actor of a stage takes, and the yields outside of which a phase stops. None of it changes what is made."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from kespeechchat.config.base import RUNTIME, Settings


class Resources(Settings):
    """What one actor of a stage takes, and how many there are. None of it changes the output."""

    num_cpus: Annotated[float, RUNTIME] = Field(
        0.5, ge=0, description="CPUs that one actor counts for: of those that Ray has, or of this machine's"
    )
    num_gpus: Annotated[float, RUNTIME] = Field(
        0, ge=0, description="GPUs of one actor; under 1: its share of one, whose memory it must not overdraw"
    )
    min_actors: Annotated[int, RUNTIME] = Field(1, ge=1, description="actors that are kept while the segment runs")
    max_actors: Annotated[int, RUNTIME] = Field(1, ge=1, description="actors at most")
    shards_in_flight: Annotated[
        int,
        Field(ge=1, description="shards that one actor makes at once; more than 1 for engines that allow it"),
        RUNTIME,
    ] = 1
    seconds_per_row: Annotated[
        float | None,
        Field(
            gt=0, description="seconds per row that a stage may work on a shard; after that the worker counts as hung"
        ),
        RUNTIME,
    ] = 600.0
    resources: Annotated[dict[str, float], RUNTIME] = Field({}, description="custom Ray resources of one actor")
    runtime_env: Annotated[dict[str, object], RUNTIME] = Field(
        {}, description="Ray's runtime_env: `py_executable` for an environment of its own, `env_vars`"
    )

    @property
    def shards_at_once(self) -> int:
        """Shards that all actors together make at once."""
        return self.max_actors * self.shards_in_flight

    @field_validator("num_gpus")
    @classmethod
    def _whole_or_a_share(cls, gpus: float) -> float:
        if gpus > 1 and gpus != int(gpus):
            raise ValueError("a share of a GPU is under 1, and several are a whole number: e.g. 0.5, 1 or 4")
        return gpus


class Guard(Settings):
    """Stops a phase whose yield over its first shards is out of range: a broken prompt must not burn a week."""

    after_shards: Annotated[int, RUNTIME] = Field(3, ge=1, description="shards over which the yield is taken")
    min_kept: Annotated[float, RUNTIME] = Field(0.0, ge=0, le=1, description="least share of rows kept")
    max_kept: Annotated[float, RUNTIME] = Field(1.0, ge=0, le=1, description="greatest share of rows kept")
