"""Engines: one folder a capability, one file an engine.

A stage knows a capability's protocol (in the folder's `__init__`), never a library. Every heavy import is inside the
file of the engine that needs it. `engines.registry` has a row for each engine and builds one from its settings
(`kespeechchat.config.engines`); building an engine loads its model.

An engine is called from one thread at a time, unless its settings say `parallel_calls`. An item that fails alone comes
back as a `RowError` in its place; what makes the engine useless raises `EngineError`.
"""

from __future__ import annotations

from typing import Protocol


class Engine(Protocol):
    """What every engine has.

    `deterministic`: the same input and seed give the same output, bit for bit, on the same kind of CPU.
    """

    deterministic: bool

    def identity(self) -> dict[str, str]:
        """Model ids, revisions and library versions, for the commit record of a shard."""
        ...


class EngineError(RuntimeError):
    """The engine cannot work at all (no model, wrong setting). The message says what to do."""


class EngineDead(EngineError):
    """The engine hangs or its GPU context is broken: this process cannot go on with it, a fresh process can.

    A worker process leaves (`os._exit`, because a hung thread cannot be joined) and is started again; in the user's own
    process the build stops with the message.
    """
