"""Tar files whose bytes depend on what goes in and on nothing else: no clock, no user, no folder order."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path


class PlainTar:
    """Members in the order they are added. Names up to 100 characters are plain USTAR, longer ones GNU long links."""

    def __init__(self, path: Path) -> None:
        self._file = tarfile.open(path, "w", format=tarfile.GNU_FORMAT)  # noqa: SIM115

    def add(self, name: str, data: bytes) -> None:
        """One more member."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o644
        self._file.addfile(info, io.BytesIO(data))

    def close(self) -> None:
        """Ends the archive."""
        self._file.close()
