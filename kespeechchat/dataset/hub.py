"""What the Hugging Face hub wants of a dataset: a card's YAML front matter, and a licence file that it links to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import yaml

from kespeechchat.config.provenance import Licence
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.display import counted, markdown_table

LICENCE_FILE = "LICENSE.md"  # as the hub spells it
_SIZES = (  # the hub's size classes, each below its limit
    *((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")),
    *((10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B")),
)
_HUB_LICENCES = frozenset(  # those of its identifiers that a model or a source of data is likely to have
    (
        "apache-2.0",
        "mit",
        "bsd-2-clause",
        "bsd-3-clause",
        "gpl-2.0",
        "gpl-3.0",
        "lgpl-3.0",
        "agpl-3.0",
        "mpl-2.0",
        "cc0-1.0",
        "cc-by-2.0",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nd-4.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0",
        "odc-by",
        "odbl",
        "unlicense",
    )
)


class SplitFiles(TypedDict):
    """One split of the hub's `data_files`: its name, and patterns of its files."""

    split: str
    path: str | list[str]


DataFiles = list[SplitFiles]


def front_matter(
    build: BuildFacts,
    languages: Sequence[str],
    dialogues: int,
    data_files: DataFiles,
    loading: Mapping[str, object] | None = None,
) -> str:
    """The card's YAML head, between its two lines of dashes: what the hub lists, and what `datasets` loads."""
    front: dict[str, object] = {
        "pretty_name": build.name,
        "language": list(languages),
        **_licence(build.licences),
        "task_categories": ["automatic-speech-recognition", "text-to-speech", "question-answering"],
        "tags": ["speech-dialogue", "synthetic", "watermarked"],
        "size_categories": [next((name for limit, name in _SIZES if dialogues < limit), "1B<n<10B")],
    }
    if data_files:
        front["configs"] = [{"config_name": "default", "data_files": data_files, **(loading or {})}]
    return f"---\n{yaml.safe_dump(front, allow_unicode=True, sort_keys=False)}---\n"


def unfinished(build: BuildFacts) -> str:
    """What a reader must know of a dataset that was exported before its build was done; else nothing."""
    if not build.unfinished:
        return ""
    shards = counted(build.unfinished, "shard was", "shards were")
    return f"**Unfinished:** {shards} not gated when this was exported, so their dialogues are missing."


def licence_file(licences: Sequence[Licence]) -> str:
    """LICENSE.md: the licences of everything that the dataset was made with."""
    table = licence_table(licences) or "The profile of this build names no models and sources."
    return (
        "# Licences\n\nThis dataset was made with the models and sources below. Their licences may limit what it can "
        f"be used for: read each of them before you use it.\n\n{table}\n"
    )


def licence_table(licences: Sequence[Licence]) -> str:
    """Section "Models and sources"; empty where there are none."""
    rows = [[e.name, e.use, e.origin, e.licence] for e in licences]
    head = ["name", "use", "origin", "licence"]
    return f"## Models and sources\n\n{markdown_table(head, rows)}" if rows else ""


def _licence(licences: Sequence[Licence]) -> dict[str, str]:
    """The hub's licence fields: an identifier where all that was used has the same licence, else `other`, with a name
    and a link to LICENSE.md."""
    named = {entry.licence.lower().replace(" ", "-") for entry in licences}
    if len(named) == 1 and (one := next(iter(named))) in _HUB_LICENCES:
        return {"license": one}
    return {"license": "other", "license_name": "several-see-license-file", "license_link": LICENCE_FILE}
