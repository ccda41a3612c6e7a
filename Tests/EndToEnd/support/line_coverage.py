"""The lines of the browser's scripts that have run, added up over Chromium and Node.js.

Both use V8 and report the same: for every function, ranges of the source with a count. Outer ranges come first, then
inner ones where the count differs. A line has run if any character of it has run at least once.
"""

import json
import pathlib
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
WEB = REPOSITORY / "Sources/Web"


class LineCoverage:
    def __init__(self):
        #: By script: the numbers of the lines that have run.
        self.ran: dict[str, set[int]] = {}

    def add(self, scripts: list[dict]) -> None:
        """Adds a `ScriptCoverage` list of V8's profiler."""
        for script in scripts:
            name = script["url"].rsplit("/", 1)[-1]
            path = WEB / name
            if ("/resources/um/script/" in script["url"] or script["url"] == path.as_uri()) and path.is_file():
                self.ran.setdefault(name, set()).update(self._lines_that_ran(path.read_text(), script["functions"]))

    @staticmethod
    def _lines_that_ran(source: str, functions: list[dict]) -> set[int]:
        ranges = [each for function in functions for each in function["ranges"]]
        # Ranges come from outside to inside, so the innermost count is written last.
        ranges.sort(key=lambda each: each["startOffset"] - each["endOffset"])
        counted = bytearray(len(source))
        for each in ranges:
            start, end = each["startOffset"], min(each["endOffset"], len(source))
            counted[start:end] = (b"\1" if each["count"] else b"\0") * (end - start)
        ran = set()
        offset = 0
        for number, line in enumerate(source.split("\n"), 1):
            # A line that only opens or closes a block does not tell whether the block ran.
            begin = offset + len(line) - len(line.lstrip())
            if any(counted[begin : offset + len(line.rstrip())]):
                ran.add(number)
            offset += len(line) + 1
        return ran

    def run_node(self, folder: pathlib.Path) -> None:
        """Runs the uploader's tests in Tests/Web and adds their coverage."""
        tests = sorted(map(str, (REPOSITORY / "Tests/Web").glob("uploader-*.test.*js")))
        done = subprocess.run(
            ["node", "--test", *tests],
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "NODE_V8_COVERAGE": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        for report in folder.glob("*.json"):
            self.add(json.loads(report.read_text())["result"])

    def missed(self, name: str) -> list[int]:
        """The lines with code that have never run."""
        lines = (WEB / name).read_text().split("\n")
        code = {number for number, line in enumerate(lines, 1) if _is_code(line)}
        return sorted(code - self.ran.get(name, set()))

    def share(self, name: str) -> float:
        code = sum(map(_is_code, (WEB / name).read_text().split("\n")))
        return 1 - len(self.missed(name)) / code


def _is_code(line: str) -> bool:
    text = line.strip()
    # Comments have lines of their own, and the lines of a block comment begin with a star.
    return bool(text) and not text.startswith(("//", "/*", "*"))


#: The coverage of this run of the tests so far.
COVERAGE = LineCoverage()
