"""`kesc export`: the gated dataset in a trainer's layout."""

from __future__ import annotations

from pathlib import Path

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.export.ke_speechchat import ExportError, Report, Subset
from kespeechchat.export.ke_speechchat import export as write
from kespeechchat.run.gated import GatedRows
from kespeechchat.run.report import summary
from kespeechchat.run.status import status
from kespeechchat.store.objects import ObjectStore


def export(pipeline: Pipeline, store: ObjectStore, to: str, partition: str | None = None) -> str:
    """Writes the export and returns what to tell the user. Raises ConfigError where it cannot be made as asked."""
    rows = GatedRows(pipeline, store)
    folder = Path(to)
    voices = rows.voices()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        report = write(
            rows,
            rows.audio,
            folder,
            genders={v["id"]: v["gender"] for v in voices},
            seed=pipeline.seed,
            partitions=pipeline.partitions,
            subset=Subset(partition=partition),
            content=rows.content,
            parents={v["id"]: v["parents"] for v in voices},
            facts={
                "name": f"kespeechchat: {pipeline.name}",
                "licences": [licence.model_dump() for licence in pipeline.licences],
                "departures": [departure.model_dump() for departure in pipeline.departures],
                "watermark": pipeline.engine("watermark", pipeline.stages.watermark.watermark).use,
                "privacy": rows.privacy(),
                "rejected": {s["name"]: s["rejected"] for s in status(pipeline, store)["stages"] if s["rejected"]},
            },
        )
    except ExportError as error:
        raise ConfigError(str(error)) from None
    return _told(report, folder, rows.missing, summary(pipeline, store))


def _told(report: Report, folder: Path, missing: int, table: str) -> str:
    first = next(iter(sorted((folder / "audio").rglob("*_mark.wav"))), None) if report.audio else None
    lines = [table, "", f"export: {folder.resolve()} ({report.dialogues} dialogues)"]
    lines += [f"        OVERLAP: {overlap}" for overlap in report.overlaps]
    if missing:
        lines.append(f"        {missing} shards are not gated yet and not in it: `kesc status` tells which")
    if first is not None:
        lines += [f"listen: any player, for example {first}", f"check:  kesc detect {first}"]
    return "\n".join(lines)
