"""`kesc build`: plan, run what is missing segment by segment, plan again, until nothing is left to do.

A segment is a run of units that can overlap; between two segments stands a reduce stage, which needs all of its input.
"""

from __future__ import annotations

from collections.abc import Sequence

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.engines import EngineError
from kespeechchat.execution.guards import Guards
from kespeechchat.execution.progress import Progress
from kespeechchat.execution.result import Result
from kespeechchat.execution.runner import Runner
from kespeechchat.execution.sigterm import Drain
from kespeechchat.inputs.language_check import check_languages
from kespeechchat.inputs.sharding import shard_inputs
from kespeechchat.stages.flow import stage_class
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.counts_cache import update_counts_cache
from kespeechchat.state.model_digests import unknown, with_model_digests
from kespeechchat.state.orders import Built
from kespeechchat.state.runnable import blocked, runnable_orders
from kespeechchat.state.saved_profile import save_profile
from kespeechchat.state.target_hours import Targets
from kespeechchat.state.voice_pin import pin, read_pin
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.opening import open_store
from kespeechchat.store.shards import CorruptShard

_PASSES = 4  # plans of one segment: a shard found corrupt on the way is rebuilt in the next pass


def build(
    pipeline: Pipeline,
    progress: Progress,
    stages: Sequence[str] = (),
    address: str = "local",
    inline: bool = False,
    allow_partial: bool = False,
    replace_voices: bool = False,
    grace: float = 0.0,
) -> Result:
    """Builds what is missing, stale or failed. Everything committed stays, whenever this stops. `grace`: seconds that
    shards at work have after SIGTERM; then, or when they are done, the process ends with 143."""
    with Drain(grace) as drain:
        runner = Runner(address, inline, progress, drain)
        return _build(pipeline, progress, stages, runner, allow_partial, replace_voices)


def _build(
    pipeline: Pipeline,
    progress: Progress,
    stages: Sequence[str],
    runner: Runner,
    allow_partial: bool,
    replace_voices: bool,
) -> Result:
    store, pipeline = open_store(pipeline.root), with_model_digests(pipeline)
    save_profile(pipeline)
    for path in unknown(pipeline):
        progress.say(f"model {path} is not on this machine: other weights there would go unnoticed", "warning")
    wanted = {pipeline.unit_of(stage) for stage in stages} or set(pipeline.units)
    for branch in ("instructions", "speech"):
        if any(stage_class(s).source.stage == branch for unit in wanted for s in unit):
            _take_in(store, pipeline, branch, progress)
    check_languages(pipeline, BuildState(pipeline, store).manifests, {stage for unit in wanted for stage in unit})
    result, targets, build_state = Result(), Targets(pipeline, store), None
    with runner, progress.shown():
        for _ in range(_PASSES):
            found = result.corrupt
            result.blocked.clear()
            try:
                build_state = BuildState(pipeline, store, allow_partial)
                for segment in build_state.segments:
                    if units := [unit for unit in segment if unit in wanted]:
                        build_state = _build_segment(build_state, units, runner, progress, result, targets)
                    if build_state is None:
                        break
                    if Unit.of("voices") in units:
                        build_state = _pin_voices(build_state, replace_voices, progress)
            except CorruptShard as error:  # a reduce stage's record, read for the plan
                build_state = None
                result.corrupt += 1
                progress.say(str(error), "warning")
            if result.corrupt == found:
                break
    result.build_state = build_state = (
        BuildState(pipeline, store) if build_state is None or build_state.partial else build_state
    )
    for held in targets.held_back(build_state).values():
        result.held[held] = result.held.get(held, 0) + 1
    if result.corrupt and (waiting := _waiting(build_state, wanted, set(result.held))):
        result.blocked.append(f"{waiting}: inputs were found corrupt; build without --stage to make them again")
    update_counts_cache(build_state, result.learned)
    return result


def _waiting(build_state: BuildState, wanted: set[Unit], held: set[str]) -> str:
    ended = (State.DONE, State.FAILED)
    units = [unit.name for unit in build_state.pipeline.units if unit in wanted]
    states = {unit: [s for s in build_state.states(unit).values() if s.order.language not in held] for unit in units}
    return ", ".join(unit for unit in units if any(s.state not in ended for s in states[unit]))


def _take_in(store: ObjectStore, pipeline: Pipeline, branch: str, progress: Progress) -> None:
    manifest = shard_inputs(store, pipeline, branch)
    rows, gone = sum(s.rows for s in manifest.shards), manifest.segments[-1].summary.get("rows_no_longer_in_inputs")
    progress.say(f"{branch}: {rows} rows planned into {len(manifest.shards)} shards")
    problems = [problem for segment in manifest.segments for problem in segment.summary.get("problems", ())]
    if problems:
        count = sum(segment.summary.get("malformed", 0) for segment in manifest.segments)
        told = "".join(f"\n  {problem}" for problem in problems)
        progress.say(f"{branch}: {count} rows cannot be read; they are refused as malformed, the rest goes on:{told}")
    if gone:
        progress.say(f"{branch}: {gone} planned rows are no longer in the inputs; they stay part of this build")


def _build_segment(
    build_state: BuildState,
    units: list[Unit],
    runner: Runner,
    progress: Progress,
    result: Result,
    targets: Targets,
) -> BuildState | None:
    """Runs one segment until nothing is left that can be done. The plan as it stands then; None where what follows
    cannot start."""
    pipeline, store = build_state.pipeline, build_state.store
    failed_before: set[tuple[str, int]] = set()
    guards = Guards(pipeline.guards)
    for _ in range(_PASSES):
        if why := blocked(build_state, units):
            result.blocked.append(why)
            progress.say(why, "error")
            return None
        chains = runnable_orders(build_state, units, failed_before, targets.count(build_state).closed)
        if not chains:
            return build_state
        for unit in units:
            if shards := sum(1 for chain in chains for order in chain if order.unit == unit):
                progress.expect(unit.name, shards)

        def report(built: Built) -> None:
            if built.status == "fatal":
                raise EngineError(f"{built.unit}: {built.error}")
            result.add(built)
            if built.status == "stale":
                progress.say(f"{built.unit} shard {built.shard:05d}: {built.error}", "warning")
                return
            progress.built(built)
            if built.status == "failed":
                failed_before.add((built.unit, built.shard))
            for language in sorted(targets.add(built)):
                progress.say(f"{language} has reached its target hours; no more of its shards are begun")
            guards.check(built)

        live = [unit for unit in units if any(order.unit == unit for chain in chains for order in chain)]
        runner.run(pipeline, live, chains, report, lambda: targets.closed)
        build_state = BuildState(pipeline, store, build_state.partial)
    return build_state


def _pin_voices(build_state: BuildState, replace: bool, progress: Progress) -> BuildState:
    """Pins the voice library, if there is one. The plan as it stands then."""
    if not build_state.complete("voices"):
        return build_state
    record = build_state.record("voices")
    if record.counts["voices"].kept == 0:
        raise ConfigError("voices: every candidate was refused, so there is no voice to speak with; see `kesc status`")
    pinned, taken = pin(build_state.store, record, replace)
    if not taken:
        progress.say(
            f"voices: the library changed ({record.content}), this build keeps speaking with the pinned one "
            f"({pinned.content}); --replace-voices takes the new one and makes all audio stale",
            "warning",
        )
    return (
        build_state
        if read_pin(build_state.store) == build_state.pin
        else BuildState(build_state.pipeline, build_state.store, build_state.partial)
    )
