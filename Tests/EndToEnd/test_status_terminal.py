"""`resumabled status --watch` on a terminal of any size: no line wraps, nothing scrolls."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import unicodedata

from support.client import layout, parameters, random_bytes
from support.server import PROGRAM, wait_until

CHUNK = 10_000
DATA = random_bytes(4 * CHUNK, seed=5)
FIRST = layout(len(DATA), CHUNK, False)[0]
CLEAR = "\x1b[H\x1b[J"


class Terminal:
    """A terminal with the program running in it, and its latest output."""

    def __init__(self, columns: int, lines: int, *arguments):
        self.own, other = pty.openpty()
        self.resize(columns, lines)
        self.program = subprocess.Popen([PROGRAM, *map(str, arguments)], stdin=other, stdout=other, stderr=other)
        os.close(other)
        os.set_blocking(self.own, False)
        self.output = b""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_) -> None:
        self.program.send_signal(signal.SIGINT)
        try:
            self.program.wait(5)
        finally:
            self.program.kill()
            self.program.wait(5)
            os.close(self.own)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.own, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))

    def pictures(self) -> list[list[str]]:
        """The lines of each complete picture, the latest one last."""
        try:
            self.output += os.read(self.own, 1 << 20)
        except BlockingIOError:
            pass
        # The last one may be incomplete.
        return [each.splitlines() for each in self.output.decode(errors="ignore").split(CLEAR)[1:-1]]

    def next(self, condition) -> list[str]:
        """The first new picture that meets the condition."""
        before = len(self.pictures())
        return wait_until(
            lambda: next((each for each in self.pictures()[before + 1 :] if condition(each)), None), 10, "a picture"
        )


def width(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in line)


def test_the_table_fits_into_the_terminal(server, client):
    names = ["Holiday in the mountains, second day, before breakfast.mp4", "会议记录" * 20 + ".pdf"]
    names += [f"file {number}" for number in range(18)]
    for name in names:
        fields = parameters(FIRST, identifier=name, filename=name, size=len(DATA), chunk_size=CHUNK)
        assert client.send(fields, DATA[:CHUNK]).status == 200
    with Terminal(200, 50, "status", "--watch", "--root", server.root) as terminal:
        wide = terminal.next(lambda lines: len(lines) == 21)
        assert all(word in wide[0] for word in ("name", "size", "held", "speed", "age", "last touched"))
        for columns, lines in ((80, 24), (50, 10), (30, 6), (16, 4), (120, 40)):
            terminal.resize(columns, lines)
            picture = terminal.next(lambda each: max(map(width, each)) <= columns and len(each) < lines)
            assert "name" in picture[0]
            if lines < len(names):
                # All uploads, shown or counted.
                assert picture[-1] == f"and {len(names) - (len(picture) - 2)} more"
            else:
                assert len(picture) == len(names) + 1
            if columns >= 50:
                assert "25 %" in picture[1]
