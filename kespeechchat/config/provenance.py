"""What a profile says of itself for the card: whose models and data it uses, and where it departs from the paper."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from kespeechchat.config.base import Settings


class Licence(Settings):
    """A model or data set the profile uses, for the dataset card and `kesc models`."""

    name: str = Field(description="of the model or data set")
    use: str = Field(description="what the profile uses it for")
    origin: str = Field(description="who made it")
    licence: str = Field(description="its licence")
    model: str | None = Field(None, description="as the engine's setting names it")
    gb: float | None = Field(None, description="about how much must be fetched, in GB")
    fetch: str | None = Field(
        None,
        description="how to get a model that no hub id names; `{model}` stands for where the profile looks for it",
    )


class Departure(Settings):
    """A figure in which the profile departs from the paper, and the measured reason."""

    setting: str = Field(description="which figure")
    paper: str = Field(description="the paper's value")
    here: str = Field(description="the profile's value")
    reason: str = Field(description="why, with the measurement")
    where: dict[str, Any] = Field(
        {}, description="settings by path, with the values that this is about; with other values the card leaves it out"
    )
    corpus: Literal["recipe", "recordings"] | None = Field(
        None, description="only where the voices come from a synthesized corpus (recipe), or from recordings alone"
    )
