"""What the browser's tests share: one browser, one build with speech that a browser can play, and its viewer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests import spoken_again
from tests.commands.view.builds import QUICKSTART, spoken_build
from tests.spoken_again import Ground

if TYPE_CHECKING:  # selenium is installed by `make test-browser` alone
    from tests.browser.chromium import Chromium


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Ground:
    """Sixteen dialogues, at a rate that browsers play. What was changed for building is undone before any test."""
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(spoken_again, "RATE", 8000)
        return spoken_build(tmp_path_factory.mktemp("build"), QUICKSTART, patches)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory) -> Iterator[Chromium]:
    from tests.browser.chromium import Chromium

    browser = Chromium(tmp_path_factory.mktemp("downloads"))
    yield browser
    browser.close()


@pytest.fixture
def browser(chromium) -> Iterator[Chromium]:
    """The browser, of which no page may say an error or ask for anything but `data:` and the viewer's own address."""
    chromium.resize(1280, 1000)
    chromium.console()
    chromium.requests()
    yield chromium
    said = [line for line in chromium.console() if not line.startswith(("INFO", "DEBUG"))]
    assert not said
    asked = [url for url in chromium.requests() if not url.startswith(("file://", "http://127.0.0.1:"))]
    assert not asked


@pytest.fixture(scope="session")
def viewer(built, tmp_path_factory) -> Iterator[str]:
    """The address of `kesc view` of the build."""
    index = tmp_path_factory.mktemp("view") / "i.sqlite"
    own = ["view", "--root", built.store.url, "--port", "0", "--index", str(index)]
    command = [sys.executable, "-m", "kespeechchat", *own]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[1]
        process.terminate()
