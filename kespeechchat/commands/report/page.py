"""The report's page, written to a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kespeechchat import __version__
from kespeechchat.commands.report.comparison import Comparison, compare
from kespeechchat.commands.report.contents import Contents, contents, read_build
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.display import size
from kespeechchat.listening.page import render
from kespeechchat.store.interface import ObjectStore
from kespeechchat.whole_file import whole_file

_ASSETS = Path(__file__).parent / "assets"


def report(
    pipeline: Pipeline, store: ObjectStore, file: Path, against: tuple[Pipeline, ObjectStore] | None = None
) -> tuple[Path, int]:
    """Writes the page of a build, or of two side by side. Returns the file and its bytes.

    Raises ConfigError where there is no build or the file cannot be written, CorruptShard where a file of ROOT is not
    what its commit record says.
    """
    build = read_build(pipeline, store)
    with ExitStack() as stack:
        with _of_file(file):  # before the work, which takes minutes for a large build
            file.parent.mkdir(parents=True, exist_ok=True)
            out = stack.enter_context(whole_file(file))
        other = compare(build, read_build(*against)) if against else None
        text = page(contents(build), other).encode()
        with _of_file(file):
            out.write(text)
            stack.close()
    return file, len(text)


@contextmanager
def _of_file(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"--to {file}: cannot write it: {error.strerror}") from None


def page(found: Contents, other: Comparison | None = None) -> str:
    """The whole page as HTML."""
    title = f"{found.build.pipeline.name}: a report"
    return render(
        "report.html", _ASSETS, title=title, styles=("report.css",), c=found, other=other, version=__version__
    )


def told(file: Path, bytes_: int) -> str:
    """The closing line for a terminal."""
    return f"report: {file} ({size(bytes_)}); open it in a browser"
