"""Lists of an export: one file of lines for each split, published when all are whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TextIO

from kespeechchat.export.folder import ExportFolder
from kespeechchat.records import Split

SPLITS: tuple[Split, ...] = ("train", "dev", "test")


@contextmanager
def split_files(folder: ExportFolder, names: Mapping[Split, str]) -> Iterator[Mapping[Split, TextIO]]:
    """split → its open text file. The files get their names when the block ends without an error."""
    with ExitStack() as stack:
        parts = folder.parts(list(names.values()))
        opened = [stack.enter_context(part.open("w", encoding="utf-8", newline="\n")) for part in parts]
        yield dict(zip(names, opened, strict=True))
    folder.publish(list(names.values()))


def json_line(data: Mapping[str, object]) -> str:
    """One line of JSON."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n"
