"""`kesc voices`: the promises of the pinned voice library, measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from kespeechchat.config.flow import LIBRARY
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.display import columns, counted, percent
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.shards import read_sound_record, read_table
from kespeechchat.voices.columns import matrix, people_of
from kespeechchat.voices.privacy import RealClips, circularity
from kespeechchat.voices.promises import COLUMNS, Library, likeness, measure_again, report


def voice_report(pipeline: Pipeline, store: ObjectStore, recompute: bool = False) -> dict[str, Any]:
    """Figures and promises of the pinned library, and whether its privacy measure is circular.

    `recompute` measures the similarity of each voice to each real clip anew. Raises ConfigError without a library.
    """
    build_state = BuildState(pipeline, store)
    if build_state.pin is None:
        raise ConfigError(f"{store.url}: no voice library yet; run `kesc build` first")
    record = read_sound_record(store, LIBRARY, build_state.pin.key)
    try:
        library = Library.of(read_table(store, LIBRARY, record, COLUMNS))
    except ValueError as error:
        raise ConfigError(f"{store.url}: {error}; run `kesc build --stage voices` again") from None
    settings = pipeline.stages.voices.privacy
    again = measure_again(library, _real_clips(build_state, store), settings.block) if recompute else None
    found = report(library, pipeline.stages.blend.blending, settings, again)
    return {"root": store.url, "library": build_state.pin.content, **found, "measure": privacy_measure(build_state)}


def privacy_measure(build_state: BuildState) -> dict[str, Any]:
    """Which encoder measured privacy, and whether it took part in making the voices."""
    clips = _engines(build_state, "clips")
    measuring = _engines(build_state, "audition").get("audition.speaker", {})
    return circularity(measuring, clips.get("clips.speaker", {}), clips.get("clips.embedder", {}))


def privacy_facts(rows: FinishedRows) -> dict[str, Any]:
    """For the dataset card: what `privacy_measure` says, and the figures of the pinned library by that encoder."""
    nearest = [voice["nearest_speaker_cosine"] for voice in rows.voices]
    privacy = rows.pipeline.stages.voices.privacy
    return privacy_measure(rows.build_state) | {
        "highest cosine of a voice's speech to a real speaker's clip": f"{max(nearest):.3f}",
        "same-speaker threshold of that encoder": f"{privacy.speaker_threshold}",
        **_likeness(rows),
    }


def _likeness(rows: FinishedRows) -> dict[str, str]:
    """How alike the voices of each gender and language are; nothing of a library without an auditor, as the card of
    earlier builds has it."""
    pipeline, pin = rows.pipeline, rows.build_state.pin
    if pipeline.stages.clips.auditor is None or pin is None:
        return {}
    library = Library.of(read_table(rows.store, LIBRARY, read_sound_record(rows.store, LIBRARY, pin.key), COLUMNS))
    found = likeness(library, pipeline.stages.voices.privacy.block)
    return {
        f"cosine of two {name} voices": f"median {s['median']:.3f}, 95 % {s['p95']:.3f}, highest {s['highest']:.3f}"
        for name, s in found.items()
        if " " in name and s["pairs"]
    }


def well(found: dict[str, Any]) -> bool:
    """Whether the library keeps every promise."""
    return all(promise["holds"] for promise in found["promises"])


def render(found: dict[str, Any]) -> str:
    """The report for a terminal."""
    counts, margins, alike = found["voices"], found["privacy"], found["diversity"]
    lines = [
        f"voice library {found['root']}: {counted(counts['user'], 'user voice')}, {counted(counts['agent'], 'agent')}",
        "",
    ]
    lines += columns(
        [("role", "split", "language", "female", "male")]
        + [(c["role"], c["split"], c["language"] or "all", str(c["female"]), str(c["male"])) for c in found["genders"]],
        ">",
    )
    lines += [f"lacks {n} of {cell}" for cell, n in found["missing"].items()]
    lines += [
        "",
        f"heard by {found['measure']['encoder'] or 'an encoder that is not recorded'}",
        "cosine to the nearest clip of a real speaker, and margin to the same-speaker threshold "
        f"({margins['same_speaker_threshold']}):",
    ]
    measures = (("cosine", "nearest_speaker_cosine"), ("margin", "margin"))
    rows = [(name, *(f"{v:.3f}" for v in margins[key].values())) for name, key in measures]
    lines += columns([("", *map(_named, margins["margin"])), *rows], ">")
    closest = margins["closest"]
    lines += [
        f"closest: {closest['id']} at {closest['nearest_speaker_cosine']:.3f} to {closest['nearest_speaker']}; "
        f"for {percent(margins['nearest_speaker_is_a_parent'], 0)} of the voices a parent is the nearest",
        found["measure"]["note"],
        "",
        "similarity of two voices' speech (cosine, upper edges of 0.01):",
    ]
    spreads = {name: s for name, s in alike.items() if s["pairs"]}
    quantiles: list[str] = list(next(iter(spreads.values()))["quantiles"]) if spreads else []
    lines += columns(
        [("", "pairs", "mean", *map(_named, quantiles), "highest")]
        + [
            (n, f"{s['pairs']:,}", f"{s['mean']:.3f}", *map(str, s["quantiles"].values()), f"{s['highest']:.3f}")
            for n, s in spreads.items()
        ],
        ">",
    )
    lines += ["", *(f"{'holds ' if p['holds'] else 'BROKEN'}  {p['name']}: {p['told']}" for p in found["promises"])]
    return "\n".join(lines)


def _real_clips(build_state: BuildState, store: ObjectStore) -> RealClips:
    """Every clip that stage `clips` measured. Raises ConfigError where shards of it are missing."""
    states = build_state.states("clips").values()
    if not states or any(s.state is not State.DONE for s in states):
        raise ConfigError("stage clips is not complete as the profile is now; run `kesc build --stage clips` first")
    unit, vectors, owners = build_state.pipeline.unit_of("clips").name, [], []
    judged_by = "auditor_xvector" if build_state.pipeline.stages.clips.auditor else "xvector"
    for state in states:
        table = read_table(
            store, unit, read_sound_record(store, unit, state.order.key), ["recording", "speaker", judged_by]
        )
        if len(table):
            vectors.append(matrix(table[judged_by]))
            owners += people_of(table)
    if not vectors:
        raise ConfigError("stage clips kept no clip: there is nobody to compare the voices with")
    return RealClips(np.concatenate(vectors), owners)


def _engines(build_state: BuildState, stage: str) -> dict[str, dict[str, str]]:
    states = build_state.states(stage)
    done = next((n for n, s in states.items() if s.state is State.DONE), None)
    return {} if done is None else build_state.record(stage, done).engines


def _named(quantile: str) -> str:
    return {"0": "least", "0.5": "median", "1": "most"}.get(quantile, f"{float(quantile):.0%}")
