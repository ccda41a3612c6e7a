"""Debian's WebKitGTK: MiniBrowser on a display of its own, and WebKitWebDriver.

WebDriver gives no access to the console, so a script collects errors and broken policies. It runs when a page is
loaded, so it misses those during the load; the other engines show them.
"""

import os
import pathlib
import struct
import subprocess

from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from support.engines.drag import ScriptedDrag
from support.engines.webdriver import WebDriverEngine
from support.media import encode_png

MINI_BROWSER = next(pathlib.Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"), pathlib.Path("MiniBrowser"))
SCREEN = (1300, 1700)
LISTEN = """
    if (window.complaints) return;
    window.complaints = [];
    addEventListener('error', ({ message }) => complaints.push('Uncaught ' + message));
    addEventListener('unhandledrejection', ({ reason }) => complaints.push('Uncaught ' + reason));
    addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      complaints.push('Content Security Policy: ' + violatedDirective + ' ' + blockedURI));
"""


class Display:
    """An X server without a screen. Its frame buffer is a file."""

    def __init__(self, folder: pathlib.Path):
        self.frame_buffer = folder / "Xvfb_screen0"
        read, write = os.pipe()
        width, height = SCREEN
        self.process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"]
            + ["-fbdir", folder],
            pass_fds=[write], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        os.close(write)
        with os.fdopen(read) as number:
            self.name = ":" + number.readline().strip()
        assert self.name != ":", "Xvfb did not start"

    def picture(self, width: int, height: int) -> bytes:
        """The upper left part of the screen as PNG. The frame buffer has the format of xwd (X11/XWDFile.h)."""
        content = self.frame_buffer.read_bytes()
        header = struct.unpack_from(">25I", content)
        size, line, colors = header[0], header[12], header[19]
        width, height = min(width, header[4]), min(height, header[5])
        pixels = content[size + colors * 12 :]
        rows = []
        for y in range(height):
            row = pixels[y * line : y * line + width * 4]
            rgb = bytearray(width * 3)
            # The order in memory is blue, green, red and a byte without meaning.
            rgb[0::3], rgb[1::3], rgb[2::3] = row[2::4], row[1::4], row[0::4]
            rows.append(bytes(rgb))
        return encode_png(width, height, rows)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)


class WebKit(ScriptedDrag, WebDriverEngine):
    name = "webkit"

    def __init__(self, profile: pathlib.Path, language: str):
        profile.mkdir(exist_ok=True)
        self.messages: list[str] = []
        self.display = Display(profile)
        try:
            self.driver = self._start(profile, language)
        except BaseException:
            self.display.close()
            raise
        self.driver.set_script_timeout(20)
        self.resize(1000, 800)

    def _start(self, profile: pathlib.Path, language: str) -> webdriver.WebKitGTK:
        # The language comes from the locale, which need not be installed: another name of C.UTF-8 is enough.
        locale = language.replace("-", "_") + ".UTF-8"
        if not (profile / locale).exists():
            (profile / locale).symlink_to("/usr/lib/locale/C.utf8")
        variables = {
            "DISPLAY": self.display.name,
            "HOME": str(profile),
            "LC_ALL": locale,
            "LOCPATH": str(profile),
            "WEBKIT_DISABLE_COMPOSITING_MODE": "1",
        }
        options = webdriver.WebKitGTKOptions()
        options.binary_location = str(MINI_BROWSER)
        options.add_argument("--automation")
        service = webdriver.WebKitGTKService("/usr/bin/WebKitWebDriver", env={**os.environ, **variables})
        return webdriver.WebKitGTK(options=options, service=service)

    def click(self, selector: str) -> None:
        # The driver does not wait for the end of smooth scrolling.
        self.script(
            "document.querySelector(arguments[0]).scrollIntoView({ block: 'center', behavior: 'instant' })", selector
        )
        super().click(selector)

    def fill(self, selector: str, text: str) -> None:
        # Its driver ignores the character for the end of a line, but not the key.
        super().fill(selector, text.replace("\n", Keys.ENTER))

    def new_tab(self) -> None:
        # The tab of another window stays visible when a test goes back to it.
        self.driver.switch_to.new_window("window")

    def show(self, width: int, height: int, scheme: str) -> None:
        self.resize(width, height)

    def console(self) -> list[str]:
        self.messages += self.script("return window.complaints?.splice(0) ?? []")
        return self.messages

    def take_coverage(self) -> None:
        """Takes what the page has collected before it is left."""
        self.console()

    def open(self, url: str) -> None:
        super().open(url)
        self.script(LISTEN)

    def reload(self) -> None:
        super().reload()
        self.script(LISTEN)

    def picture(self) -> bytes:
        return self.display.picture(*self.driver.get_window_size().values())

    def close(self) -> None:
        try:
            super().close()
        finally:
            self.display.close()
