"""`kesc build`: find out what is missing, build it segment by segment, look again, until nothing is left to do.

A segment is a run of units that may overlap; between two segments is a reduce stage, which needs all of its input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from kespeechchat.config.flow import LIBRARY
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.traits import InputBranch
from kespeechchat.config.units import Unit
from kespeechchat.display import counted
from kespeechchat.engines import EngineError
from kespeechchat.execution.guards import Guards
from kespeechchat.execution.local_nursery import Nursery
from kespeechchat.execution.nothing_left import nothing_left
from kespeechchat.execution.pace import ahead_of
from kespeechchat.execution.progress import Progress
from kespeechchat.execution.result import Result
from kespeechchat.execution.runner import Runner
from kespeechchat.execution.sigterm import GracefulStop
from kespeechchat.inputs.documents import shard_documents
from kespeechchat.inputs.excluded import with_excluded_digests
from kespeechchat.inputs.language_check import check_languages
from kespeechchat.inputs.read_report import nothing_to_build, told
from kespeechchat.inputs.screening import screen
from kespeechchat.inputs.screening import told as told_of_screening
from kespeechchat.inputs.sharding import shard_inputs
from kespeechchat.stages.flow import stage_class
from kespeechchat.state.build_state import BRANCHES, BuildState, State
from kespeechchat.state.counts_cache import update_counts_cache
from kespeechchat.state.model_digests import unknown, with_model_digests
from kespeechchat.state.orders import Built, BuiltStatus
from kespeechchat.state.runnable import blocked, runnable_orders
from kespeechchat.state.saved_profile import save_profile
from kespeechchat.state.segments import segments
from kespeechchat.state.target_hours import Targets
from kespeechchat.state.voice_pin import pin, read_pin
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.manifest import Manifest
from kespeechchat.store.opening import open_store
from kespeechchat.store.shards import CorruptShard

_PASSES = 4  # over a segment, and over all of them: a shard found corrupt on the way is rebuilt in the next pass
_VOICES = Unit.of(LIBRARY)


def build(
    pipeline: Pipeline,
    progress: Progress,
    stages: Sequence[str] = (),
    address: str = "local",
    inline: bool = False,
    allow_partial: bool = False,
    replace_voices: bool = False,
    grace: float = 0.0,
    nursery: Nursery | None = None,
) -> Result:
    """Builds the shards of `stages` (none given: of all) that are missing, stale or failed, on the Ray at `address` or,
    if `inline`, in this process. Committed shards are safe whenever this stops.

    `allow_partial`: reduce stages take the shards that are done as all there are. `replace_voices`: pins a new voice
    library in place of the pinned one. `grace`: seconds that running shards get to finish after SIGTERM; then the
    process ends with exit code 143. `nursery`: what to fork workers from, where it has begun. Raises ConfigError,
    EngineError, StoreError and GuardStop, which no shard is to blame for.
    """
    with GracefulStop(grace) as stop, Runner(address, inline, progress, stop, nursery) as runner:
        return Build(pipeline, progress, runner, stages, allow_partial, replace_voices).run()


class Build:
    """One run of `kesc build`; see `build`."""

    def __init__(
        self,
        pipeline: Pipeline,
        progress: Progress,
        runner: Runner,
        stages: Sequence[str] = (),
        allow_partial: bool = False,
        replace_voices: bool = False,
    ) -> None:
        pipeline = with_excluded_digests(pipeline)
        self.pipeline = with_model_digests(pipeline).model_copy(update={"versions": None})  # what runs is this code
        self.store = open_store(pipeline.root)
        self.progress, self.runner, self.result = progress, runner, Result()
        self.wanted = {pipeline.unit_of(stage) for stage in stages} or set(pipeline.units)
        self.targets = Targets(self.pipeline, self.store)
        self._allow_partial, self._replace_voices = allow_partial, replace_voices
        self._failed: set[tuple[str, int]] = set()  # (unit, shard) in the segment that is built

    def run(self) -> Result:
        """Builds what is wanted."""
        save_profile(self.pipeline)
        for path in unknown(self.pipeline):
            self.progress.say(
                f"model {path} is not on this machine, so other weights on the workers would go unnoticed", "warning"
            )
        self.take_in_inputs()
        if self.result.blocked:
            return self.finish(None)
        build_state = None
        with self.progress.shown():
            for _ in range(_PASSES):
                corrupt_before = self.result.corrupt
                build_state = self.run_segments()
                if self.result.corrupt == corrupt_before:
                    break
        return self.finish(build_state)

    def take_in_inputs(self) -> None:
        """Gives the rows of the user's files their shards, and checks that the profile knows their languages."""
        stages = {stage for unit in self.wanted for stage in unit}
        for branch in BRANCHES[self.pipeline.chain]:
            if any(stage_class(stage).source.stage == branch for stage in stages):
                manifest = _planned(self.store, self.pipeline, branch)
                self._say_what_was_read(branch, manifest)
                if branch == "instructions" and (screened := screen(self.store, self.pipeline, manifest)):
                    for line in told_of_screening(screened):
                        self.progress.say(f"{branch}: {line}")
        check_languages(self.pipeline, BuildState(self.pipeline, self.store).manifests, stages)

    def _say_what_was_read(self, branch: str, manifest: Manifest) -> None:
        lines, unread = told(manifest)
        for line in lines:
            self.progress.say(f"{branch}: {line}")
        for line in unread:
            self.progress.say(f"{branch}: {line}", "error")
        self.result.unread += unread
        if unread and nothing_to_build(manifest):
            self.result.blocked.append(f"{branch}: no row can be read, so nothing can be built: " + "; ".join(unread))
        rows = sum(shard.rows for shard in manifest.shards)
        self.progress.say(f"{branch}: {counted(rows, 'row')} planned into {counted(len(manifest.shards), 'shard')}")
        summaries = [segment.summary for segment in manifest.standing]
        for corpus in summaries[-1].get("corpora", ()) if summaries else ():
            self.progress.say(f"{branch}: {corpus}")
        if problems := [problem for summary in summaries for problem in summary.get("problems", ())]:
            count = sum(summary.get("malformed", 0) for summary in summaries)
            reasons = "".join(f"\n  {problem}" for problem in problems)
            self.progress.say(f"{branch}: {counted(count, 'row')} cannot be read, rejected as malformed:{reasons}")
        if gone := summaries and summaries[-1].get("rows_no_longer_in_inputs"):
            self.progress.say(
                f"{branch}: {counted(gone, 'planned row')} no longer in the inputs; this build keeps "
                "them. A build in another ROOT is without them"
            )

    def run_segments(self) -> BuildState | None:
        """Builds the wanted segments in order, as far as they can start.

        Returns the state after the last one, or after the one that nothing is left of; None where a segment could not
        start, or where a record that a plan needs was found corrupt.
        """
        self.result.blocked.clear()
        try:
            build_state = self._look()
            for segment in segments(self.pipeline):
                units = [unit for unit in segment if unit in self.wanted]
                if not units:
                    continue
                after = self.run_segment(build_state, units)
                if after is None:
                    return None
                if why := nothing_left(after, units, self.result.counts):
                    self.result.blocked.append(why)
                    return after
                build_state = self.pin_voices(after) if _VOICES in units else after
        except CorruptShard as error:
            self.result.corrupt += 1
            self.progress.say(str(error), "warning")
            return None
        return build_state

    def run_segment(self, build_state: BuildState, units: Sequence[Unit]) -> BuildState | None:
        """Builds the units of one segment until nothing is left that can run. Returns the state after that; None where
        the segment cannot start."""
        guards = Guards(self.pipeline.guards)
        self._failed.clear()
        for _ in range(_PASSES):
            if why := blocked(build_state, units):
                self.result.blocked.append(why)
                self.progress.say(why, "error")
                return None
            closed = self.targets.count(build_state).closed
            chains = runnable_orders(build_state, units, self._failed, closed)
            if not chains:
                return build_state
            left: Counter[tuple[Unit, str | None]] = Counter((o.unit, o.language) for chain in chains for o in chain)
            running = [unit for unit in units if any(unit == of for of, _ in left)]
            self.progress.expect(
                {unit.name: {lang: n for (of, lang), n in left.items() if of == unit} for unit in running},
                {unit.name: build_state.tally(unit.name)[State.DONE] for unit in units},
                ahead_of(self.pipeline, running),
                {unit.name: self.pipeline.resources_of(unit.first).shards_at_once for unit in running},
            )
            self.runner.run(
                self.pipeline, running, chains, lambda built: self.on_built(built, guards), lambda: self.targets.closed
            )
            build_state = self._look()
        return build_state

    def on_built(self, built: Built, guards: Guards) -> None:
        """Takes note of a shard that a worker reports. Raises EngineError and GuardStop to end the build."""
        if built.status is BuiltStatus.FATAL:
            raise EngineError(f"{built.unit}: {built.error}")
        self.result.add(built)
        if built.status is BuiltStatus.STALE:
            self.progress.say(f"{built.unit} shard {built.shard:05d}: {built.error}", "warning")
            return
        self.progress.built(built)
        if built.status is BuiltStatus.FAILED:
            self._failed.add((built.unit, built.shard))
        for language in sorted(self.targets.add(built)):
            self.progress.say(f"{language} has reached its target hours; no more of its shards begin")
        guards.check(built)

    def pin_voices(self, build_state: BuildState) -> BuildState:
        """Pins the voice library if it is complete. Returns the state with that pin."""
        if not build_state.complete(LIBRARY):
            return build_state
        record = build_state.record(LIBRARY)
        pinned, is_new = pin(self.store, record, self._replace_voices)
        if not is_new:
            self.progress.say(
                f"voices: the library changed ({record.content}), this build keeps speaking with the pinned one "
                f"({pinned.content}); --replace-voices takes the new one and makes all audio stale",
                "warning",
            )
        return build_state if read_pin(self.store) == build_state.pin else self._look()

    def finish(self, build_state: BuildState | None) -> Result:
        """Completes the result with what is left undone, and brings the counts' cache up to date. `build_state`: after
        the last segment, where there is one."""
        if build_state is None or build_state.partial:  # a partial one takes a part for all
            build_state = BuildState(self.pipeline, self.store)
        result, result.build_state = self.result, build_state
        for language in self.targets.held_back(build_state).values():
            result.held[language] = result.held.get(language, 0) + 1
        if result.corrupt and (waiting := ", ".join(self._unfinished(build_state))):
            result.blocked.append(f"{waiting}: inputs were found corrupt; build without --stage to make them again")
        update_counts_cache(build_state, result.counts)
        return result

    def _unfinished(self, build_state: BuildState) -> Iterable[str]:
        """Wanted units with shards that are neither done nor failed, but for languages with their target hours."""
        for unit in build_state.pipeline.units:
            states = build_state.states(unit.name).values() if unit in self.wanted else ()
            waiting = (s for s in states if s.order.language not in self.result.held)
            if any(s.state not in (State.DONE, State.FAILED) for s in waiting):
                yield unit.name

    def _look(self) -> BuildState:
        return BuildState(self.pipeline, self.store, self._allow_partial)


def _planned(store: ObjectStore, pipeline: Pipeline, branch: InputBranch) -> Manifest:
    """The manifest of `branch`, brought up to date."""
    return shard_documents(store, pipeline) if branch == "documents" else shard_inputs(store, pipeline, branch)
