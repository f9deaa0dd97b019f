"""What stops an export."""

from __future__ import annotations


class ExportError(ValueError):
    """The export cannot be made as asked. The message names row or file, and what to do."""
