"""Loaded by the interpreter of a build under test (through PYTHONPATH): kills it at one boundary of the store's writes.

Every call that makes something durable or visible (fsync, link, replace, unlink) has a boundary before and one after;
the middle of a write is a third. `KESC_KILL_AT=N` kills the process with SIGKILL at the N-th boundary it reaches, and
writes the boundary's name to `KESC_KILL_LOG` first. No hook stands in the product for this.
"""

import os
import signal

_target = int(os.environ.get("KESC_KILL_AT", "-1"))
_root = os.environ.get("KESC_KILL_ROOT", "\0")
_reached = 0


def _step(path: str) -> str | None:
    """Which part of ROOT a path belongs to: data, commits, attempts, plan."""
    inside = os.path.relpath(path, _root)
    if inside.startswith(".."):
        return None
    parts = inside.split(os.sep)
    return parts[0] if parts[0] == "plan" else parts[1] if len(parts) > 2 else "root"


def _boundary(name: str, path: str) -> None:
    global _reached
    step = _step(path)
    if step is None:
        return
    if _reached == _target:
        with open(os.environ["KESC_KILL_LOG"], "a") as log:
            log.write(f"{step}: {name}\n")
        os.kill(os.getpid(), signal.SIGKILL)
    _reached += 1


def _wrap(name: str, which: int) -> None:
    real = getattr(os, name)

    def wrapped(*args, **kwargs):
        path = os.fspath(args[which]) if not isinstance(args[which], int) else os.readlink(f"/proc/self/fd/{args[which]}")
        if name == "fsync" and os.path.isfile(path) and _step(path):
            size = os.path.getsize(path)
            if _reached == _target:  # in the middle of the write: half of the bytes are there
                os.truncate(path, size // 2)
            _boundary("half written", path)
        _boundary(f"before {name}", path)
        result = real(*args, **kwargs)
        _boundary(f"after {name}", path)
        return result

    setattr(os, name, wrapped)


if _target >= 0:
    for _name, _which in (("fsync", 0), ("link", 1), ("replace", 1), ("unlink", 0)):
        _wrap(_name, _which)
