"""Runs a command and writes what it used to a file: the small process that `benchmarks.measured.kesc` starts it from.

    python -I -S benchmarks/launch.py RESULT.json COMMAND [ARGUMENT ...]

Linux counts in a process's `ru_maxrss` the peak of the process that started it: at exec, the peak of the memory that is
replaced is carried over, and until exec a child has its parent's memory. A benchmark that once needed 2 GB would find
2 GB for every command it starts. This file imports little, so the command starts from some 10 MiB. Keep it so.
"""

import json
import os
import sys
import time


def main() -> None:
    """Writes seconds, CPU seconds, peak in MiB and exit code of COMMAND, all as JSON, and itself ends in 0."""
    result, command = sys.argv[1], sys.argv[2:]
    began = time.perf_counter()
    _, status, used = os.wait4(os.posix_spawn(command[0], command, os.environ), 0)
    measured = {
        "seconds": time.perf_counter() - began,
        "cpu": used.ru_utime + used.ru_stime,
        "peak": used.ru_maxrss / 1024,
        "code": os.waitstatus_to_exitcode(status),
    }
    with open(result, "w") as file:
        json.dump(measured, file)


if __name__ == "__main__":
    main()
