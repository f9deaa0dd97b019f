"""When the turns of a dialogue begin: settings of the timeline, which is drawn when a dataset is exported."""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

from pydantic import Field, model_validator

from kespeechchat.config.backchannels import BackchannelTiming
from kespeechchat.config.base import Settings
from kespeechchat.records import Role

_LEAST_SHARE = 1e-3  # of a distribution that its limits must leave


class Offsets(Settings):
    """A distribution of seconds: normal, cut off at both limits. A floor-transfer offset is the time from the end of
    one speaker's turn to the beginning of the other's: positive is a gap, negative an overlap."""

    mean: float = Field(0.0, ge=-5, le=10, description="seconds, of the distribution before it is cut off")
    std: float = Field(0.0, ge=0, le=10, description="seconds; 0: always `mean`")
    low: float = Field(-5.0, ge=-5, description="seconds, the least")
    high: float = Field(10.0, le=10, description="seconds, the most")

    @model_validator(mode="after")
    def _can_be(self) -> Offsets:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}: no offset is between them")
        if self.share < _LEAST_SHARE:
            raise ValueError(
                f"mean {self.mean}, std {self.std}: of that distribution {self.share:.1g} is between low {self.low} "
                f"and high {self.high}; at least {_LEAST_SHARE} must be: move the mean between them, or widen them"
            )
        return self

    @property
    def share(self) -> float:
        """Of the whole distribution, what is within the limits."""
        if self.std == 0:
            return float(self.low <= self.mean <= self.high)
        return _truncated(self.mean, self.std, self.low, self.high)[2]

    def at(self, uniform: float) -> float:
        """The seconds below which `uniform` (0 to 1) of the distribution is.

        >>> Offsets(mean=0.2, std=0.1).at(0.5), Offsets(mean=0.2).at(0.9)
        (0.2, 0.2)
        """
        if self.std == 0:
            return self.mean
        normal, before, share = _truncated(self.mean, self.std, self.low, self.high)
        below = min(max(before + uniform * share, 1e-12), 1 - 1e-12)
        return min(max(normal.inv_cdf(below), self.low), self.high)


@lru_cache(maxsize=64)
def _truncated(mean: float, std: float, low: float, high: float) -> tuple[NormalDist, float, float]:
    """The distribution, its share below `low`, and its share between the limits."""
    normal = NormalDist(mean, std)
    before = normal.cdf(low)
    return normal, before, normal.cdf(high) - before


class BargeIn(Settings):
    """The user begins while the agent speaks, and the agent's speech ends a reaction time later."""

    probability: float = Field(0.0, ge=0, le=1, description="of a user turn that follows an agent's turn")
    reaction: Offsets = Field(
        Offsets(mean=0.5, std=0.15, low=0.2, high=1.0),
        description="seconds from the user's beginning to the agent's end",
    )
    after: float = Field(1.0, gt=0, description="seconds of the agent's turn that are always heard before")
    before_end: float = Field(0.5, gt=0, description="seconds of the agent's turn that are cut off at least")
    fade: float = Field(0.05, ge=0, le=0.5, description="seconds over which the agent's speech fades out")

    @model_validator(mode="after")
    def _reacts(self) -> BargeIn:
        if self.reaction.low < 0:
            raise ValueError(f"reaction.low: {self.reaction.low}: nobody reacts before the user begins; at least 0")
        return self


class TimingSettings(Settings):
    """The timeline of a dialogue. The defaults are the paper's: each turn begins at the sample where the last one ends.

    It is drawn from the seed and the dialogue's id, so it can be drawn anew without speaking anything again.
    """

    agent_after_user: Offsets = Field(Offsets(), description="floor-transfer offset before an agent's turn")
    user_after_agent: Offsets = Field(Offsets(), description="floor-transfer offset before a user's later turn")
    barge_in: BargeIn = Field(BargeIn(), description="users who begin while the agent speaks")
    backchannels: BackchannelTiming = Field(
        BackchannelTiming(), description="short words of the listener, of those that `audition.backchannels` keeps"
    )
    seed: int = Field(0, description="another one draws other times")

    def before(self, role: Role) -> Offsets:
        """The distribution of the offset before a turn of `role`."""
        return self.agent_after_user if role == "agent" else self.user_after_agent

    @property
    def plain(self) -> bool:
        """Whether turns follow each other without a gap, as in the paper."""
        return self == TimingSettings(seed=self.seed)
