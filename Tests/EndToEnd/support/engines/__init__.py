"""Drives real browsers: Chromium, Firefox and WebKitGTK, each behind the same small interface, `Engine`.

Chromium and WebKitGTK speak WebDriver to their own drivers (webdriver.py). Firefox speaks WebDriver BiDi itself
(firefox.py). `CANNOT` is the list of actions that an engine cannot be driven to. A test that needs one of them has the
mark `needs`, and is not run in such an engine.
"""

import pathlib
from typing import Protocol

ENGINES = ("chromium", "firefox", "webkit")

#: The actions that an engine cannot be driven to, with the reason. A test names them with `@pytest.mark.needs`.
CANNOT: dict[str, dict[str, str]] = {
    "init script": {
        "webkit": "WebDriver cannot run a script before those of the page",
    },
    "pick folder": {
        "webkit": "WebDriver gives the folder itself to the input, without the files in it",
    },
    "drag from outside": {
        "firefox": "BiDi cannot drag files into the window; a script dispatches events, without folders",
        "webkit": "WebDriver cannot drag files into the window; a script dispatches events, without folders",
    },
    "file handle": {
        "firefox": "has no File System Access API",
        "webkit": "has no File System Access API for files of the disk",
    },
    "paste": {
        "firefox": "a script cannot fill the clipboard without a question, and keys of BiDi do not paste",
        "webkit": "a script cannot fill the clipboard, and keys of WebDriver do not paste",
    },
    "offline": {
        "webkit": "takes its state from the machine's network, and WebDriver has no command for it",
    },
    "restart": {
        "webkit": "forgets its storage at its end while it is automated",
    },
    "question before leaving": {
        "webkit": "its driver dismisses the question without the test",
    },
    "phone": {
        "webkit": "MiniBrowser's window is at least 447 pixels wide",
    },
    "dark scheme": {
        "webkit": "MiniBrowser sets the scheme only at its start",
    },
    "forced colours": {
        "webkit": "has no forced colours",
    },
}


def can(engine: str, action: str) -> bool:
    return engine not in CANNOT[action]


class Engine(Protocol):
    """A browser with a profile of its own. Selectors are CSS selectors, and the first element that matches counts."""

    name: str

    def open(self, url: str) -> None:
        """Loads a page, and returns when it is complete."""

    def reload(self) -> None: ...

    def url(self) -> str: ...

    def title(self) -> str: ...

    def script(self, text: str, *arguments):
        """Runs the body of a function with `arguments`, and returns its value. A promise is awaited."""

    def async_script(self, text: str, *arguments):
        """The same, but the value is what the script passes to its last argument, a function."""

    def click(self, selector: str) -> None:
        """Scrolls the element into view and clicks it in its middle."""

    def hold(self, selector: str) -> None:
        """Presses the mouse button in the middle of the element, and keeps it down until `let_go`."""

    def let_go(self) -> None: ...

    def set_files(self, selector: str, paths: list[pathlib.Path]) -> None:
        """Gives files to a file input, as its dialogue does."""

    def set_folder(self, selector: str, path: pathlib.Path) -> None:
        """Gives a folder to an input with `webkitdirectory`."""

    def keep_dialogs_closed(self) -> None:
        """From now on a click on a file input opens no dialogue. `set_files` answers it."""

    def type(self, keys: str) -> None:
        """Types on the keyboard. Keys without a character have WebDriver's code points (selenium's `Keys`)."""

    def fill(self, selector: str, text: str) -> None:
        """Replaces the text of a field."""

    def tab(self) -> str:
        """The handle of the tab in front."""

    def new_tab(self) -> None:
        """Opens a tab, and goes there."""

    def go_to_tab(self, handle: str) -> None: ...

    def resize(self, width: int, height: int) -> None: ...

    def show(self, width: int, height: int, scheme: str) -> None:
        """Shows the page on a screen of that size, with the colour scheme `light` or `dark`, and without motion."""

    def force_colors(self) -> None:
        """Shows pages in colours of the system, as high contrast themes do."""

    def before_pages(self, text: str) -> None:
        """Runs a script before the scripts of every page from now on."""

    def go_offline(self, offline: bool) -> None:
        """Sets what the page sees in `navigator.onLine`. Requests in flight may continue."""

    def drag(self, kind: str, selector: str, paths: list[pathlib.Path]) -> None:
        """One step of a drag from outside (`dragEnter`, `dragOver`, `drop`) over the middle of the element."""

    def paste(self) -> None:
        """Presses the keys for paste."""

    def asks(self) -> bool:
        """True while the browser asks whether to leave the page."""

    def stay(self) -> None:
        """Answers that question with no."""

    def console(self) -> list[str]:
        """All messages so far about errors that no script caught and about broken policies."""

    def take_coverage(self) -> None:
        """Saves what the page forgets when it is left: in Chromium the lines that have run, for `COVERAGE`."""

    def picture(self) -> bytes:
        """A picture of the page, as PNG: the whole page, or in WebKit the window."""

    def crash(self) -> None:
        """Ends the browser as a power failure does."""

    def close(self) -> None: ...


def start(engine: str, profile: pathlib.Path, *, language: str = "en-US", answers_questions: bool = True) -> Engine:
    """Starts a browser. `answers_questions`: its driver answers the question before leaving with yes."""
    match engine:
        case "chromium":
            from support.engines.chromium import Chromium

            return Chromium(profile, language, answers_questions)
        case "firefox":
            from support.engines.firefox import Firefox

            return Firefox(profile, language, answers_questions)
        case "webkit":
            from support.engines.webkit import WebKit

            return WebKit(profile, language)
    raise ValueError(engine)
