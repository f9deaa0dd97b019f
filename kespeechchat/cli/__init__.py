"""kesc: parses, calls, prints. No logic.

A family of commands is a file; what is heavy is imported inside a command, so that --help answers at once.
"""

from __future__ import annotations

import click

from kespeechchat.cli import building, datasets, engines, looking


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="kespeechchat")
def main() -> None:
    """Turn instruction text into a bilingual (zh, en) speech dialogue dataset.

    \b
    kesc build pipelines/quickstart.yaml       the whole flow, on a laptop, resumable
    kesc status pipelines/quickstart.yaml      what stands
    kesc export pipelines/quickstart.yaml --to my-dataset

    Exit codes: 0 all well; 1 some rows or shards failed, or a check did not hold; 2 wrong use or configuration.
    """


for _command in (
    building.build,
    building.plan,
    building.doctor,
    building.clean,
    looking.status,
    looking.verify,
    looking.errors,
    looking.voices,
    datasets.export,
    datasets.release,
    engines.models,
    engines.detect,
):
    main.add_command(_command)
