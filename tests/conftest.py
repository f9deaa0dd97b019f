"""What tests share: a profile whose text and audio branches run without models where a test needs no model."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def quickstart() -> Path:
    """The shipped quick-start profile."""
    return ROOT / "pipelines" / "quickstart.yaml"
