"""Debian's WebKitGTK: MiniBrowser on a display of its own, and WebKitWebDriver."""

import os
import pathlib
import shlex
import struct
import subprocess

from selenium import webdriver

from support.engines.drag import ScriptedDrag
from support.engines.webdriver import WebDriverEngine
from support.media import encode_png

MINI_BROWSER = next(pathlib.Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"), pathlib.Path("MiniBrowser"))
SCREEN = (1300, 1700)
# GNU stdbuf's library, which makes the output come line by line.
LINE_BUFFER = "/usr/libexec/coreutils/libstdbuf.so"


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

    def picture(self) -> bytes:
        """The screen as PNG. The frame buffer has the format of xwd (X11/XWDFile.h)."""
        content = self.frame_buffer.read_bytes()
        header = struct.unpack_from(">25I", content)
        size, width, height, line, colors = header[0], header[4], header[5], header[12], header[19]
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
        self.log = profile / "console"
        self.display = Display(profile)
        try:
            self.driver = self._start(profile, language)
        except BaseException:
            self.display.close()
            raise
        self.driver.set_script_timeout(20)
        self.resize(1000, 800)

    def _start(self, profile: pathlib.Path, language: str) -> webdriver.WebKitGTK:
        # The driver discards MiniBrowser's output, which has the messages of the console.
        program = profile / "minibrowser"
        program.write_text(f'#!/bin/sh\nexec {MINI_BROWSER} "$@" >{shlex.quote(str(self.log))} 2>&1\n')
        program.chmod(0o755)
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
            "LD_PRELOAD": LINE_BUFFER,
            "_STDBUF_O": "L",
        }
        options = webdriver.WebKitGTKOptions()
        options.binary_location = str(program)
        options.add_argument("--automation")
        options.add_argument("--enable-write-console-messages-to-stdout=true")
        service = webdriver.WebKitGTKService("/usr/bin/WebKitWebDriver", env={**os.environ, **variables})
        return webdriver.WebKitGTK(options=options, service=service)

    def new_tab(self) -> None:
        # The tab of another window stays visible when a test goes back to it.
        self.driver.switch_to.new_window("window")

    def show(self, width: int, height: int, scheme: str) -> None:
        self.resize(width, height)

    def console(self) -> list[str]:
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if "CONSOLE JS ERROR" in line or "CONSOLE SECURITY ERROR" in line]

    def picture(self) -> bytes:
        return self.display.picture()

    def close(self) -> None:
        try:
            super().close()
        finally:
            self.display.close()
