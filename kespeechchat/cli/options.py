"""The arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

Pipeline: TypeAlias = Annotated[
    Path, typer.Argument(metavar="PIPELINE", dir_okay=False, show_default=False, help="The profile, a YAML file.")
]
PipelineOrRoot: TypeAlias = Annotated[
    Path | None,
    typer.Argument(
        metavar="PIPELINE", dir_okay=False, show_default=False, help="The profile; not needed with --root of a build."
    ),
]
Root: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Folder or object store of the build; replaces the profile's root."),
]
Inputs: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="FILE", help="Instruction file instead of the profile's; repeatable."),
]
Overrides: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.SUB=VALUE", help="Override one setting of the profile; repeatable."),
]
Llm: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--llm",
        metavar="FILE|URL",
        help="Chat model instead of the profile's: a GGUF file, or an OpenAI-compatible server's address with --model.",
    ),
]
Model: TypeAlias = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="The server's own name of the model, with --llm URL.")
]
Address: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help="local: processes of this machine (what wants GPUs: a Ray started here); ray: a Ray started here; auto or "
        "HOST:PORT: a Ray that runs.",
    ),
]
Inline: TypeAlias = Annotated[bool, typer.Option("--inline", help="Run in this one process: for debugging.")]
Grace: TypeAlias = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="After SIGTERM: seconds that running shards get to finish.")
]
LogFormat: TypeAlias = Annotated[
    Literal["auto", "plain", "json"], typer.Option(help="How to print progress: auto, plain or json.")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def one_of(names: Sequence[str]) -> Callable[[str | None], str | None]:
    """A callback that refuses what is not among `names`: a Literal for names that other code lists."""

    def check(value: str | None) -> str | None:
        if value is not None and value not in names:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(names)}")
        return value

    return check


def completing(names: Sequence[str]) -> Callable[[str], Iterable[str]]:
    """Shell completion from `names`."""
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]
