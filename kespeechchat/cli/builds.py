"""From what the user typed to the profile and store of a build."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kespeechchat.config.pipeline import Pipeline
    from kespeechchat.store.interface import ObjectStore


def profile_of(file: Path | None, root: str | None, overrides: Sequence[str] | None = None) -> Pipeline:
    """The profile in `file`, or without one the resolved profile that a build saved in `root`.

    Raises ConfigError if neither is given, or if `root` holds no build.
    """
    from kespeechchat.config.load import ConfigError, load_pipeline

    if file:
        return load_pipeline(file, tuple(overrides or ()), root=root)
    if not root:
        raise ConfigError("name the PIPELINE file, or the ROOT of a build with --root URL")
    return _saved(root, "{root}: no build here; run `kesc build PIPELINE --root {root}`")


def chains_of(file: Path | None, root: str | None, overrides: Sequence[str] | None = None) -> tuple[Pipeline, ...]:
    """As `profile_of`; and behind it, where `kesc interleave` has run in its ROOT, the same for that chain of stages,
    unless `file` has no section `interleave`."""
    from kespeechchat.state.codebooks import with_codebooks
    from kespeechchat.state.saved_profile import load_profile

    profile = profile_of(file, root, overrides)
    try:
        saved = load_profile(profile.root, chain="interleave").model_copy(update={"contents": None})
    except FileNotFoundError:
        return (profile,)
    if file is None:
        return (profile, saved)
    return (profile, *([with_codebooks(profile.of_chain("interleave"))] if profile.interleave else []))


def chain_with(option: str, stage: str, chains: Sequence[Pipeline]) -> Pipeline:
    """The one of `chains` that has the stage. Raises ConfigError for a name in `option` that none has."""
    from kespeechchat.config.load import ConfigError

    for profile in chains:
        if stage in profile.flow:
            return profile
    known = ", ".join(name for profile in chains for name in profile.flow)
    raise ConfigError(f"{option} {stage}: no such stage; stages are {known}")


def build_at(option: str, root: str) -> Pipeline:
    """The resolved profile of the build that `option` names. Raises ConfigError that names the option."""
    return _saved(root, f"{option} {{root}}: no build here; name the ROOT of a build that is there")


def _saved(root: str, missing: str) -> Pipeline:
    from kespeechchat.config.load import ConfigError, absolute_root
    from kespeechchat.state.saved_profile import load_profile

    url = absolute_root(root)
    try:
        return load_profile(url).model_copy(update={"contents": None})  # local models are hashed again
    except FileNotFoundError:
        raise ConfigError(missing.replace("{root}", url)) from None


def store_of(profile: Pipeline) -> ObjectStore:
    """The store in which the build of `profile` lies."""
    from kespeechchat.store.opening import open_store

    return open_store(profile.root)


def check_stages(option: str, names: Iterable[str], profile: Pipeline) -> None:
    """Raises ConfigError for a name in `option` that is no stage of `profile`."""
    for name in names:
        chain_with(option, name, (profile,))
