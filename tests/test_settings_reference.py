"""docs/settings.md is what the settings' classes say, and every setting says what it means."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from pydantic import Field, create_model

from kespeechchat.config.base import RUNTIME, Settings
from tests.scripts.loaded import script


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    return script("settings_reference")


def test_the_page_is_fresh(reference: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_page_is_noticed(reference: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "settings.md"
    monkeypatch.setattr(reference, "PAGE", page)
    monkeypatch.setattr(reference, "REPOSITORY", tmp_path)
    monkeypatch.setattr(reference, "page", lambda: "now")
    assert reference.main(["--check"]) == 1 and not page.exists()
    assert reference.main([]) == 0 and page.read_text() == "now"
    page.write_text("before")
    assert reference.main(["--check"]) == 1


def test_a_setting_is_shown_with_type_default_meaning_and_who_departs(reference: ModuleType) -> None:
    model = create_model(
        "Made", __base__=Settings, __doc__="For a test.", size=(int, Field(3, ge=1, description="a|b"))
    )
    model.model_fields["size"].metadata.append(RUNTIME)
    section = reference.Section("made", model, {"quickstart": [model(size=3)], "ke-speechchat": [model(size=5)]})
    text = reference.text_of(section)
    assert "## `made`\nFor a test." in text
    assert "| `size` ° | integer, ≥ 1 | `3` | a\\|b | ke-speechchat: `5` |" in text


def test_every_setting_says_what_it_means(reference: ModuleType) -> None:
    """Of the engines', some say it in the docstring of their class."""
    silent = [
        f"{section.path}.{name}"
        for section in reference.sections()
        for name, info in section.model.model_fields.items()
        if not info.description and not section.path.startswith("engines.") and section.path != "stages"
    ]
    assert silent == []
    assert all(section.model.__doc__ != Settings.__doc__ for section in reference.sections())
