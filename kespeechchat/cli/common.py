"""What the commands share: exit codes, options, errors told as one line. Nothing heavy is imported at the top."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from kespeechchat.config.pipeline import Pipeline
    from kespeechchat.store.interface import ObjectStore

WELL, TROUBLE, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

pipeline_argument = click.argument("pipeline", required=False, type=click.Path(dir_okay=False))
root_option = click.option(
    "--root", metavar="URL", help="Folder or object store of the build; replaces the profile's root."
)
set_option = click.option("--set", "overrides", multiple=True, metavar="KEY.SUB=VALUE", help="Override one setting.")


def told(command: Callable[..., int | None]) -> Callable[..., None]:
    """Errors of use and interruptions become one clear line and an exit code."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        from kespeechchat.config.load import ConfigError
        from kespeechchat.engines import EngineError
        from kespeechchat.store.interface import StoreError
        from kespeechchat.store.shards import CorruptShard

        signal.signal(signal.SIGTERM, _terminated)
        try:
            code = command(*args, **kwargs)
        except (ConfigError, StoreError) as error:
            click.echo(f"kesc: {error}", err=True)
            code = WRONG_USE
        except (EngineError, CorruptShard) as error:
            click.echo(f"kesc: {error}", err=True)
            code = TROUBLE
        except KeyboardInterrupt:
            click.echo("kesc: interrupted. What was committed stays; the same command goes on from there.", err=True)
            code = INTERRUPTED
        sys.exit(code or WELL)

    return run


def _terminated(*_: object) -> None:
    os.write(2, b"kesc: ended by SIGTERM. What was committed stays; the same command goes on from there.\n")
    sys.exit(143)


def named_pipeline(pipeline: str | None, root: str | None, overrides: tuple[str, ...] = ()) -> Pipeline:
    """The PIPELINE file, or the resolved one that a build keeps in its ROOT."""
    from kespeechchat.config.load import ConfigError, absolute_root, load_pipeline
    from kespeechchat.state.saved_profile import load_profile

    if pipeline:
        return load_pipeline(pipeline, overrides, root=root)
    if not root:
        raise ConfigError("name the PIPELINE file, or the ROOT of a build with --root URL")
    url = absolute_root(root)
    try:
        return load_profile(url).model_copy(update={"contents": None})  # local models are looked at anew
    except FileNotFoundError:
        raise ConfigError(f"{url}: no build here; run `kesc build PIPELINE --root {url}`") from None


def store_of(pipeline: Pipeline) -> ObjectStore:
    from kespeechchat.store.opening import open_store

    return open_store(pipeline.root)


def known_stages(names: tuple[str, ...], pipeline: Pipeline) -> None:
    from kespeechchat.config.load import ConfigError

    for name in names:
        if name not in pipeline.flow:
            raise ConfigError(f"--stage {name}: no such stage; stages are {', '.join(pipeline.flow)}")
