"""Takes the pictures of README and docs: the report, the viewer and a review of a build that has speech.

make demo test-browser                       # a build of the quick start, and the browser
apt-get install fonts-noto-cjk               # any font that has Chinese: without one, text is boxes
python -m scripts.screenshots build/quickstart
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.browser.chromium import Chromium

DOCS = Path(__file__).parent.parent / "docs" / "pictures"
WIDE, PHONE = (1280, 1000), (390, 844)
_SHORT = """
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replace(/\\/\\S*\\/(?=\\S+ · seed)/, 'build/');
"""  # where the build lies is nobody's business


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="ROOT of a finished build")
    root = parser.parse_args().root.resolve()
    if not subprocess.run(["fc-list", ":lang=zh"], capture_output=True, check=True).stdout:
        parser.error("no font here has Chinese, whose text would be boxes: install one (fonts-noto-cjk)")
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        browser = Chromium(folder)
        try:
            report(browser, root, folder)
            view(browser, root, folder)
            review(browser, root, folder)
        finally:
            browser.close()


def report(browser: Chromium, root: Path, folder: Path) -> None:
    """The head of the report and its charts on a wide screen; its dialogues on a phone, in the dark."""
    kesc("report", "--root", root, "--to", folder / "report.html")
    take(browser, f"file://{folder}/report.html", "report")
    take(browser, f"file://{folder}/report.html", "report-charts", at="#spread")
    take(browser, f"file://{folder}/report.html", "report-phone", at="#hear", size=PHONE, dark=True)


def view(browser: Chromium, root: Path, folder: Path) -> None:
    """The viewer's list, worst error rates first."""
    command = [sys.executable, "-m", "kespeechchat", "view", "--root", str(root), "--port", "0"]
    command += ["--index", str(folder / "index.sqlite")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as viewer:
        assert viewer.stdout is not None
        address = viewer.stdout.readline().split()[1]
        take(browser, f"{address}?status=kept&sort=error_rate&down=1", "viewer")
        viewer.terminate()


def review(browser: Chromium, root: Path, folder: Path) -> None:
    """The first dialogue of an annotator's page, on a phone."""
    kesc("review", "--root", root, "--sample", 6, "--annotators", 1, "--to", folder / "review")
    (page,) = sorted((folder / "review").glob("*.html"))
    take(browser, f"file://{page}", "review-phone", size=PHONE)


def take(
    browser: Chromium, address: str, name: str, at: str = "", size: tuple[int, int] = WIDE, dark: bool = False
) -> None:
    """Writes `docs/pictures/NAME.png` of the page, scrolled to the element `at`."""
    browser.resize(*size, dark=dark)
    browser.open(address)
    browser.script(_SHORT)
    if at:
        browser.script("document.querySelector(arguments[0]).scrollIntoView({behavior: 'instant'})", at)
    time.sleep(1)  # players come into view
    browser.screenshot(DOCS / f"{name}.png")
    print(DOCS / f"{name}.png")


def kesc(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "kespeechchat", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
