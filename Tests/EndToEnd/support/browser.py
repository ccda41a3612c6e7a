"""A real browser on the real page, with the actions of a user: pick, drop, press, lose the network.

Closing a `Browser` checks its behaviour: no script on the page may have broken the Content-Security-Policy or thrown an
error that was not caught. The requests are recorded on the way to nginx (`Traffic`), so they are what was sent and not
what the page believes.
"""

import base64
import contextlib
import os
import pathlib

from support import engines
from support.line import ROUTES, Line, Traffic
from support.server import Server, wait_until

__all__ = ["ROUTES", "Browser", "Traffic", "open_browser"]

# Reads the database of resumable-recovery.js. It must not be made by this script, which knows no structure of it.
REMEMBERED = """
    const done = arguments[0];
    const opening = indexedDB.open('resumable-recovery');
    opening.onupgradeneeded = () => opening.transaction.abort();
    opening.onerror = () => done([]);
    opening.onsuccess = ({ target }) => {
      const all = target.result.transaction('uploads').objectStore('uploads').getAll();
      all.onsuccess = () => {
        target.result.close();
        done(all.result.map(({ progress, handle }) => ({ progress, hasHandle: Boolean(handle) })));
      };
    }
"""

# True if an element has the same place in two successive frames. A page that is not drawn has no frames.
RESTS = """
    const [selector, done] = arguments;
    const place = () => {
      const { x, y, width, height } = document.querySelector(selector)?.getBoundingClientRect() ?? {};
      return [x, y, width, height].join();
    };
    const before = place();
    const compare = () => done(place() === before);
    if (document.hidden) compare();
    else requestAnimationFrame(() => requestAnimationFrame(compare));
"""

# The colours of a picture at some points. In a picture of a window the page is below the window's own parts.
COLORS_AT = """
    const [picture, isOfWindow, points, done] = arguments;
    const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
    createImageBitmap(new Blob([bytes], { type: 'image/png' })).then((bitmap) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: bitmap.width, height: bitmap.height });
      const context = canvas.getContext('2d');
      context.drawImage(bitmap, 0, 0);
      const top = isOfWindow ? bitmap.height - innerHeight - scrollY : 0;
      done(points.map(([x, y]) => [...context.getImageData(x, y + top, 1, 1).data].slice(0, 3)));
    });
"""

#: The ports of the lines to servers, by the servers' ports. A second browser needs the same origin.
LINES: dict[int, int] = {}


@contextlib.contextmanager
def open_browser(server: Server, profile: pathlib.Path, engine: str = "chromium", **how):
    """A `Browser` of the test's own, in an engine as `engines.start` starts it."""
    with Line(server.port, LINES.get(server.port, 0)) as line:
        LINES[server.port] = line.port
        started = engines.start(engine, profile, **how)
        try:
            with Browser(server, started, line) as browser:
                yield browser
        finally:
            started.close()


class Browser:
    """Acts in the tab in front, and reads what it shows."""

    def __init__(self, server: Server, engine: engines.Engine, line: Line):
        self.server = server
        self.engine = engine
        self.line = line
        self.traffic = Traffic(line)
        self.crashed = False

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, kind, *_) -> None:
        # After a failure of the test its own error is the better report.
        if self.crashed or kind:
            return
        self.take_coverage()
        complaints = self.complaints()
        assert complaints == [], complaints

    def take_coverage(self) -> None:
        self.engine.take_coverage()

    # --- the browser itself

    def can(self, action: str) -> bool:
        """False if the engine cannot be driven to the action (`engines.CANNOT`)."""
        return engines.can(self.engine.name, action)

    def script(self, text: str, *arguments):
        return self.engine.script(text, *arguments)

    def async_script(self, text: str, *arguments):
        return self.engine.async_script(text, *arguments)

    def wait(self, milliseconds: int) -> None:
        """Lets time pass on the page."""
        self.async_script("setTimeout(arguments[1], arguments[0])", milliseconds)

    def open(self, path: str = "/resumable") -> "Browser":
        self.take_coverage()
        self.engine.open(f"http://127.0.0.1:{self.line.port}{path}")
        return self

    def reload(self) -> None:
        self.take_coverage()
        self.engine.reload()

    def url(self) -> str:
        return self.engine.url()

    def title(self) -> str:
        return self.engine.title()

    def tab(self) -> str:
        return self.engine.tab()

    def new_tab(self) -> str:
        """Opens another tab, goes there, and returns its handle."""
        self.take_coverage()
        self.engine.new_tab()
        return self.engine.tab()

    def go_to_tab(self, handle: str) -> None:
        self.engine.go_to_tab(handle)

    def resize(self, width: int, height: int) -> None:
        self.engine.resize(width, height)

    def show(self, width: int, height: int, scheme: str) -> None:
        self.engine.show(width, height, scheme)

    def force_colors(self) -> None:
        self.engine.force_colors()

    def before_pages(self, text: str) -> None:
        self.engine.before_pages(text)

    def crash(self) -> None:
        """Ends the browser as a power failure does."""
        self.take_coverage()
        self.engine.crash()
        self.crashed = True

    def complaints(self) -> list[str]:
        """The messages of the console about broken policies and errors that were not caught."""
        return self.engine.console()

    def screenshot(self, name: str) -> None:
        """Keeps a picture of the page as an artefact."""
        if folder := os.environ.get("ARTEFACTS"):
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            pathlib.Path(folder, f"{name}-{self.engine.name}.png").write_bytes(self.engine.picture())

    def painted(self, *points: tuple[int, int]) -> list[list[int]]:
        """The colours, as red, green and blue, that the page has at these points of it."""
        picture = base64.b64encode(self.engine.picture()).decode()
        return self.async_script(COLORS_AT, picture, self.engine.name == "webkit", points)

    def asks(self) -> bool:
        """True while the browser asks whether to leave the page."""
        return self.engine.asks()

    def stay(self) -> None:
        self.engine.stay()

    # --- the network

    def slow_down(self, bytes_per_second: int) -> None:
        self.line.slow_down(bytes_per_second)

    def full_speed(self) -> None:
        self.line.slow_down(None)

    def go_offline(self) -> None:
        self.engine.go_offline(True)
        self.line.cut()

    def go_online(self) -> None:
        self.line.mend()
        self.engine.go_offline(False)

    # --- giving files

    def pick(self, *files: pathlib.Path) -> None:
        """Gives files to the page's file input, as its file dialogue does."""
        self._give(".resumable-browse input, #browse input, .uploader-plain [type=file]", files)

    def pick_folder(self, folder: pathlib.Path) -> None:
        selector = "input[type=file][webkitdirectory]"
        self._wait_for(selector)
        self.engine.set_folder(selector, folder)

    def give_pending(self, file: pathlib.Path) -> None:
        """Answers the file dialogue that an unfinished upload has opened."""
        self._give(".pending input[type=file]", [file])

    def give_pending_folder(self, folder: pathlib.Path) -> None:
        self.engine.set_folder(".pending input[webkitdirectory]", folder)

    def keep_dialogs_closed(self) -> None:
        self.engine.keep_dialogs_closed()

    def _give(self, selector: str, files) -> None:
        self._wait_for(selector)
        self.engine.set_files(selector, list(files))

    def _wait_for(self, selector: str) -> None:
        found = "return document.querySelector(arguments[0]) !== null"
        wait_until(lambda: self.script(found, selector), 10, f"there is a {selector}")

    def drag(self, kind: str, *paths: pathlib.Path, over: str = ".resumable-drop") -> None:
        """One step of a real drag with files or folders from outside the browser."""
        self.engine.drag(kind, over, list(paths))

    def drop(self, *paths: pathlib.Path, over: str = ".resumable-drop") -> None:
        for kind in ("dragEnter", "dragOver", "drop"):
            self.drag(kind, *paths, over=over)

    # --- the content of the page

    def rows(self) -> list[dict]:
        """Name, state and texts of each file on the list, in the order of adding."""
        return self.script(
            """return [...document.querySelectorAll('.uploader-item')]
                .sort((one, other) => one.dataset.index - other.dataset.index).map((row) => ({
                name: row.dataset.name, state: row.dataset.state, text: row.innerText,
                message: row.querySelector('.uploader-message').textContent }))"""
        )

    def pending(self) -> list[str]:
        """The names of the uploads that an earlier visit left unfinished."""
        return self.script("return [...document.querySelectorAll('.pending-item')].map((row) => row.dataset.name)")

    def wait_for_pending(self, *names: str) -> None:
        wait_until(lambda: self.pending() == list(names), 10, f"these are pending: {names}")

    def remembered(self) -> float:
        """The progress of the first unfinished file in the browser's database; -1 if there is none."""
        return next((upload["progress"] for upload in self.async_script(REMEMBERED)), -1)

    def remembered_handles(self) -> int:
        """How many uploads in the browser's database have a file handle."""
        return sum(upload["hasHandle"] for upload in self.async_script(REMEMBERED))

    def states(self) -> list[str]:
        return [row["state"] for row in self.rows()]

    def wait_for_states(self, *states: str, seconds: float = 20) -> None:
        try:
            wait_until(lambda: self.states() == list(states), seconds, f"the files are {states}")
        except AssertionError as error:
            raise AssertionError(f"{error}; the page shows {self.rows()}") from None

    def whole(self) -> str:
        """The state of all files together: idle, uploading, paused or done."""
        return self.script("return document.documentElement.dataset.uploaderState")

    def percent(self) -> int:
        return int(self.script("return document.querySelector('[role=progressbar]').ariaValueNow"))

    def text(self, selector: str) -> str:
        return self.script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def visible(self, selector: str) -> bool:
        """True if an element that matches is drawn."""
        return self.script(
            """return [...document.querySelectorAll(arguments[0])].some((element) =>
                element.checkVisibility({ visibilityProperty: true, opacityProperty: true })
                  && element.getClientRects().length > 0)""",
            selector,
        )

    def click(self, selector: str) -> None:
        """Clicks the element as soon as it is visible and rests: the page draws changes a moment later."""
        wait_until(lambda: self.visible(selector), 10, f"{selector} is visible")
        wait_until(lambda: self.async_script(RESTS, selector), 10, f"{selector} rests")
        self.engine.click(selector)

    def hold(self, selector: str) -> None:
        """Presses the mouse button on an element, and keeps it down until `let_go`."""
        self.engine.hold(selector)

    def let_go(self) -> None:
        self.engine.let_go()

    def paste(self, copy: str) -> None:
        """Fills the clipboard by a script, whose promise it waits for, and presses the keys for paste."""
        self.engine.allow_clipboard()
        problem = self.async_script(f"({copy}).then(() => arguments[0](''), (error) => arguments[0](String(error)))")
        assert problem == "", problem
        self.engine.paste()

    def type(self, keys: str) -> None:
        """Types on the keyboard into the element that has the focus."""
        self.engine.type(keys)

    def fill(self, selector: str, text: str) -> None:
        self.engine.fill(selector, text)

    def list_data(self, name: str) -> str:
        """A count of the list over all its files: files, done, failed."""
        return self.script("return document.querySelector('.uploader-list').dataset[arguments[0]]", name)

    def press(self, action: str, name: str) -> None:
        """Presses a button in the row of a file."""
        self.click(f'.uploader-item[data-name="{name}"] button[data-action={action}]')
