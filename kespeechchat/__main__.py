"""`python -m kespeechchat` is `kesc`."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import signal
import sys


def kesc() -> None:
    """The command as a process: its exit code is the command's own.

    Ray, gRPC and torch leave native threads behind, and the destructors of their libraries have ended a build that was
    all well with an abort (-6). So Python runs its own exit handlers and does not wait for theirs. Ray's workers end
    the same way (ray-project/ray#18899).
    """
    # a build's shards are many objects without cycles: looking through them again and again took a quarter of the time
    gc.set_threshold(200_000, 50, 1_000)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed: without this a file of ROOT would get its descriptor, and what it says
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  # as long as the process
    code: object = 1
    try:
        from kespeechchat.cli import app

        app(prog_name="kesc")
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:  # before the command itself has begun
        print("kesc: interrupted", file=sys.stderr)
        code = 128 + signal.SIGINT
    except BaseException as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            print(f"kesc: {error}", file=sys.stderr)
        else:
            sys.excepthook(*sys.exc_info())
    atexit._run_exitfuncs()
    code = code if isinstance(code, int) else int(code is not None)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # a full disk, a reader that has left, a closed stream: not all was said
            code = code or 1
    os._exit(code)


if __name__ == "__main__":
    kesc()
