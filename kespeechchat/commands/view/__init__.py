"""`kesc view`: all of a build to look at and listen to, as pages of a server on this machine."""

from __future__ import annotations

import errno
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from kespeechchat.commands.view.cache_file import alone, default_file, remove
from kespeechchat.commands.view.index import update
from kespeechchat.commands.view.marks import Marks, marks_file
from kespeechchat.commands.view.pages import Pages
from kespeechchat.commands.view.query import BadQuery, Index, Query
from kespeechchat.commands.view.sounds import Sounds
from kespeechchat.config.load import ConfigError
from kespeechchat.display import counted
from kespeechchat.engines.models import cache_folder
from kespeechchat.listening.dialogues import Dialogues
from kespeechchat.state.build_state import BuildState

__all__ = ["Tell", "index_file", "page_of", "serve"]

Tell = Callable[[str], None]
_ADDRESS = "127.0.0.1"
_PAGES = ("", "dialogue")  # that have an address of their own


def index_file(root: str, named: Path | None, again: bool, tell: Tell = lambda line: None) -> Path:
    """Where the index of the build at `root` is; `again`: the one that is there is deleted, but not the marks. `tell`
    hears what is waited for. Raises ConfigError where `again` would delete another file."""
    file = named or default_file(root, cache_folder())
    if again:
        with alone(file, tell):
            remove(file)
    return file


def page_of(link: str | None) -> str:
    """What follows the token in a link that a colleague's viewer made; a page without its server works too. Raises
    ConfigError for what no viewer makes.

    >>> page_of("http://127.0.0.1:8741/Qm9/dialogue?id=a-1"), page_of("?language=zh"), page_of(None)
    ('dialogue?id=a-1', '?language=zh', '')
    """
    if not link:
        return ""
    parts = urlsplit(link)
    path = parts.path.lstrip("/").partition("/")[2] if parts.netloc else parts.path.lstrip("/")
    if path not in _PAGES:
        raise ConfigError(f"--page {link}: not an address of the viewer; it ends in /, /?FILTERS or /dialogue?id=ID")
    return f"{path}?{parts.query}" if parts.query else path


def check_page(index: Index, page: str) -> None:
    """Raises ConfigError where this build has no such page (of `page_of`)."""
    path, _, query = page.partition("?")
    given = dict(parse_qsl(query))
    try:
        if path == "dialogue":
            if not index.takes(given.get("id", "")):
                raise BadQuery(f"id={given.get('id', '')}: this build has no such row; is it the build of the sender?")
        else:
            index.check(Query.parse(given, index.heads))
    except BadQuery as error:
        raise ConfigError(f"--page: {error}") from None


def serve(
    build_state: BuildState, file: Path, port: int, tell: Tell, ready: Callable[[str], None], page: str = ""
) -> None:
    """Brings the index up to date and serves until Ctrl-C. `ready` gets the address that leads to `page`.

    Raises ConfigError where the port is taken, the index cannot be used or the page is none, KeyboardInterrupt at
    Ctrl-C.
    """
    try:
        import uvicorn

        from kespeechchat.commands.view.server import Viewer
    except ModuleNotFoundError as error:
        raise ConfigError(f"kesc view needs {error.name}; run `pip install 'kespeechchat[view]'`") from None

    listening = _listen(port)  # first: making an index can take minutes
    try:
        takes = update(build_state, file, tell)
        tell(f"index: {counted(takes, 'take')} in {file}")
        index = Index(file)
        check_page(index, page)
        sounds, dialogues = Sounds(build_state), Dialogues(build_state)
        viewer = Viewer(index, sounds, dialogues, Marks(marks_file(file)), Pages(build_state.pipeline, index))
        token, taken = secrets.token_urlsafe(24), listening.getsockname()[1]
        config = uvicorn.Config(
            viewer.app(token, taken),
            lifespan="off",
            access_log=False,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=2,
        )
        ready(f"http://{_ADDRESS}:{taken}/{token}/{page}")
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        listening.close()


def _listen(port: int) -> socket.socket:
    """A socket at this port of the loopback; 0: any that is free."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_ADDRESS, port))
        listening.listen(128)  # from here on the address works: who comes early waits
    except OSError as error:
        listening.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        raise ConfigError(f"--port {port}: {why}; take another one, or --port 0 for any that is free") from None
    return listening
