"""Engines: one folder a capability, one file an engine.

A stage knows a capability's protocol (in the folder's `__init__`), never a library. Every heavy import stands inside
the engine that needs it. An engine is built from its settings (`kespeechchat.config.engines`) by the folder's
`load(settings)`; building it loads the model. Every engine has

* `deterministic`: whether the same input and seed give the same output on the same kind of CPU,
* `identity()`: model ids, revisions and library versions for the commit record.

An engine is called from one thread at a time, unless `config.engines.concurrent` names its kind. An item that fails
alone comes back as a `RowError` in its place; what makes the engine useless raises `EngineError`.
"""

from __future__ import annotations


class EngineError(RuntimeError):
    """The engine cannot work at all (no model, wrong setting). The message says what to do."""


class EngineDead(EngineError):
    """The engine hangs or its GPU context is broken: this process cannot go on with it, a fresh process can.

    A worker process leaves (`os._exit`, for a hung thread cannot be joined) so that it is started again; what runs in
    the user's own process stops with the message.
    """
