"""A headless Chromium that tells what its pages do: what they ask for, what the console says, what axe finds."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

_PLAIN = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
_QUIET = "--disable-component-update --disable-sync --mute-audio --disable-dev-shm-usage --hide-scrollbars"
_PATIENCE = 20.0  # seconds


class Chromium:
    """One window with a fresh profile. `downloads`: where saved files go. Names other than 127.0.0.1 are not found."""

    def __init__(self, downloads: Path) -> None:
        missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
        assert not missing, f"{', '.join(missing)} missing: `make test-browser` installs it"
        self._profile, self.downloads = tempfile.mkdtemp(prefix="kesc-browser-"), downloads
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for flag in (*_PLAIN.split(), *_QUIET.split(), f"--user-data-dir={self._profile}"):
            options.add_argument(flag)
        options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        self.driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
        self.resize(1280, 1000)
        self._asked: list[str] = []

    def close(self) -> None:
        """Ends it, and removes its profile."""
        self.driver.quit()
        shutil.rmtree(self._profile, ignore_errors=True)

    def resize(self, width: int, height: int, dark: bool = False) -> None:
        """The size of the page, a phone's too (390 × 844), and whether the reader likes it dark."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, address: str) -> None:
        """Opens a page, and waits until it is there."""
        self.driver.get(address)

    def all(self, selector: str) -> list[WebElement]:
        """Elements by CSS selector."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """The first of them."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """What the first of them says."""
        return self.one(selector).text

    def press(self, *keys: str) -> None:
        """Keys, pressed one right after the other where the focus is."""
        webdriver.ActionChains(self.driver).send_keys(*(getattr(Keys, key, key) for key in keys)).perform()

    def click_play(self, player: WebElement) -> None:
        """Clicks the play button of an `<audio>`, at its left end."""
        left = 22 - player.size["width"] // 2
        webdriver.ActionChains(self.driver).scroll_to_element(player).move_to_element_with_offset(
            player, left, 0
        ).click().perform()

    def follow(self, selector: str) -> None:
        """Clicks what leads to another page, and waits until that is there."""
        self.script("window.left = true")
        self.one(selector).click()
        there = "return !window.left && document.readyState === 'complete'"
        self.wait("another page", lambda: self.script(there))

    def script(self, code: str, *values: Any) -> Any:
        """What the code returns in the page."""
        return self.driver.execute_script(code, *values)

    def wait(self, what: str, until: Callable[[], Any]) -> Any:
        """What `until` gives once it is true. Fails after 20 seconds."""
        end = time.monotonic() + _PATIENCE
        while not (found := until()):
            assert time.monotonic() < end, f"waited {_PATIENCE:.0f} s for: {what}; the console says {self.console()}"
            time.sleep(0.05)
        return found

    def listen(self) -> None:
        """From now on this page notes what is played: an utterance may end before `playing` is asked again."""
        self.script(
            "window.heard = [];"
            "document.addEventListener('timeupdate', ({ target: a }) => {"
            "  const label = a.getAttribute('aria-label');"
            "  if (!a.paused && a.currentTime > 0 && window.heard.at(-1) !== label) window.heard.push(label);"
            "}, true)"
        )

    def heard(self) -> list[str]:
        """The labels of what was played since `listen`, in order: their time went on, so samples came out of them."""
        return self.script("return window.heard")

    def playing(self) -> str | None:
        """The label of what is played: its time goes on, and samples come out of it."""
        return self.script(
            "const a = [...document.querySelectorAll('audio')].find((a) => !a.paused && a.currentTime > 0);"
            "return a ? a.getAttribute('aria-label') : null"
        )

    def requests(self) -> list[str]:
        """Addresses that the pages have asked for since the last time, but for `data:` and `blob:`."""
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(message["params"]["request"]["url"])
        return [url for url in found if not url.startswith(("data:", "blob:", "chrome:"))]

    def console(self) -> list[str]:
        """What the console has said since the last time, of all levels."""
        return [f"{entry['level']} {entry['message']}" for entry in self.driver.get_log("browser")]

    def inaccessible(self) -> list[str]:
        """What axe-core calls serious or critical, each with the element."""
        axe = (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
        self.script(axe)
        found = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run().then((r) => done(r.violations), (e) => done([{id: String(e)}]))"
        )
        return [
            f"{v['id']}: {v.get('help')} {[n['target'] for n in v.get('nodes', ())][:3]}"
            for v in found
            if v.get("impact") in ("serious", "critical", None)
        ]

    def screenshot(self, file: Path, whole: bool = False) -> None:
        """The window as PNG; `whole`: as long as the page."""
        if whole:
            width, height = self.script("return [innerWidth, document.documentElement.scrollHeight]")
            self.resize(width, height)
        self.driver.save_screenshot(str(file))
