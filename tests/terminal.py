"""What a person sees who runs a command in a terminal of a given size."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Iterable, Sequence
from contextlib import suppress

CONTROL = re.compile(r"\x1b(?:\[([0-?]*)[ -/]*([@-~])|[@-Z\\-_])")


def on_terminal(command: Sequence[str], columns: int, lines: int = 24, term: str = "xterm-256color") -> tuple[int, str]:
    """Exit code, and all that the command wrote, on a terminal of this size; with its control codes."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    given = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE")
    env = {name: value for name, value in os.environ.items() if name not in given} | {"TERM": term}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    parts = []
    with suppress(OSError):  # EIO: the other end is closed
        while part := os.read(ours, 1 << 16):
            parts.append(part)
    os.close(ours)
    return process.wait(), b"".join(parts).decode()


def seen(text: str) -> list[str]:
    """The lines without their control codes, each once for each time that it was drawn."""
    return [line.rstrip() for line in re.split(r"[\r\n]+", CONTROL.sub("", text))]


def colours(text: str) -> Iterable[int]:
    """Every number of a code that sets how text looks, such as 1 for bold and 31 for red."""
    for parameters, final in CONTROL.findall(text):
        if final == "m":
            yield from (int(number or 0) for number in parameters.split(";"))
