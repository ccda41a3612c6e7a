"""The servers that are compared ("sides"), each behind the same nginx.

The configuration of nginx is that of `deploy/nginx-conf`, which is recommended to operators. In the location for
uploads, nginx's own PUT or the Flask backend replaces the program. Nothing else differs.
"""

import hashlib
import os
import pathlib
import re
import struct
import subprocess
import sys

import measure
import plan
from support.client import ROUTE
from support.server import REPOSITORY, Server, replace

CHUNK_SIZE = 1 << 20
# The upload location of the example, from its first line to its last.
LOCATION = re.compile(r"(?ms)^( +)location ~ \^/\(resumable_upload\|[^\n]*\{\n(.*?)^\1\}\n")
METER = struct.Struct("2Q")


class Side(Server):
    """A server for one round. Its processes are new, so all that they have used is for this round."""

    # The name on the command line and in the results, and the title in tables.
    name: str
    title: str
    # False for the side that is known to damage files. Its wrong files are counted and do not end the benchmark.
    is_right = True

    def __init__(self, folder: pathlib.Path, tools: pathlib.Path, chunk_size: int = CHUNK_SIZE):
        """`folder`: an empty folder for uploads and for nginx's temporary files, which must be on one disk. `tools`:
        the folder of the compiled tools."""
        (folder / "files").mkdir()
        super().__init__(folder / "files", nginx_options=("--chunk-size", str(chunk_size)))
        self.folder = folder
        self.tools = tools

    def close(self) -> None:
        """Stops the server and empties its files. They are removed after the last round: ext4 without a journal, which
        virtual machines often have, skips all inodes that were freed in the last minutes whenever it creates a file,
        which would slow down the following rounds."""
        try:
            super().close()
        finally:
            for path in self.folder.rglob("*"):
                if path.is_file():
                    os.truncate(path, 0)

    # --- nginx

    def configuration(self, text: str) -> str:
        """The example, with nginx's temporary files on the disk of the uploads, and without its rate limit."""
        setting = "client_body_temp_path"
        text = replace(text, f'{setting} "{self.state}/nginx-body"', f'{setting} "{self.folder}/body"')
        # All load comes from a few addresses, which the rate limit would slow down.
        text = replace(text, "rate=500r/s", "rate=1000000r/s")
        text, count = LOCATION.subn(lambda match: self.location(match[0]), text)
        assert count == 1, "the example must have one location for uploads"
        return text

    def location(self, block: str) -> str:
        return block

    # --- measuring

    def program_usage(self) -> measure.Usage:
        return measure.usage(self.program.pid) if self.program else measure.Usage(0, 0, 0)

    def nginx_usage(self) -> measure.Usage:
        return measure.usage(self.nginx.pid)

    # --- files

    def requests(self, file: plan.File, pool: plan.Pool) -> list[plan.Request]:
        return [plan.form_post(file, chunk, pool) for chunk in file.chunks]

    def paths(self, file: plan.File) -> list[pathlib.Path]:
        """The files on the disk that the uploaded file consists of."""
        return [self.root / file.name]

    def sha256(self, file: plan.File) -> str | None:
        """The digest of the uploaded file; None if it does not exist."""
        sha256 = hashlib.sha256()
        try:
            for path in self.paths(file):
                with open(path, "rb", buffering=0) as opened:
                    while block := opened.read(1 << 20):
                        sha256.update(block)
        except FileNotFoundError:
            return None
        return sha256.hexdigest()


class Resumabled(Side):
    name = "ours"
    title = "resumabled"
    skip_syncs = False

    def __init__(self, *arguments, metered: bool = False, **more):
        super().__init__(*arguments, **more)
        if metered or self.skip_syncs:
            self.meter = self.folder / "sync-meter"
            self.meter.write_bytes(bytes(METER.size))
            self.environment = {
                "LD_PRELOAD": str(self.tools / "sync_meter.so"),
                "SYNC_METER": str(self.meter),
                "SYNC_SKIP": str(int(self.skip_syncs)),
            }

    def sync_seconds(self) -> float:
        """How many seconds the program has spent in syncs."""
        return METER.unpack(self.meter.read_bytes())[1] / 1e9


class Unsynced(Resumabled):
    """Shows what the syncs cost. nginx's PUT and Flask sync nothing. The program has no such mode."""

    name = "unsynced"
    title = "resumabled without syncs"
    skip_syncs = True


class Streaming(Resumabled):
    """nginx passes bodies on as they arrive, which suits fast clients only."""

    name = "streaming"
    title = "resumabled, streaming"

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.nginx_options += ("--buffering", "off")


class Floor(Resumabled):
    """The least that a program can do (floor.c): how fast could any be?"""

    name = "floor"
    title = "the least possible"

    def __init__(self, folder: pathlib.Path, tools: pathlib.Path, **more):
        super().__init__(folder, tools, **more)
        self.executable = str(tools / "floor")


class UnsyncedFloor(Floor):
    name = "unsynced-floor"
    title = "the least possible without syncs"
    skip_syncs = True


class Before(Resumabled):
    """Another build of the program, for a comparison with an earlier version (`--before`)."""

    name = "before"
    title = "resumabled before"


class Dav(Side):
    """nginx's own PUT, which receives, writes and renames. Each chunk becomes a file, and nothing is synced."""

    name = "dav"
    title = "nginx DAV PUT"

    def start_program(self, *options: str) -> None:
        pass

    def location(self, block: str) -> str:
        limits = "".join(re.findall(r"(?m)^ *limit_\w+ .*\n", block))
        return f'location {ROUTE}/ {{\n{limits} alias "{self.root}/";\n dav_methods PUT;\n}}\n'

    def requests(self, file: plan.File, pool: plan.Pool) -> list[plan.Request]:
        return [plan.put(file, chunk, pool) for chunk in file.chunks]

    def paths(self, file: plan.File) -> list[pathlib.Path]:
        return [self.root / plan.piece(file, chunk) for chunk in file.chunks]


class Flask(Side):
    """The backend that this program replaces, with a worker of gunicorn for each of two processors."""

    name = "flask"
    title = "Flask (gunicorn)"
    is_right = False

    def spawn_program(self, *options: str) -> subprocess.Popen:
        folders = f"{pathlib.Path(__file__).parent},{REPOSITORY / 'Tests/EndToEnd'}"
        with open(self.state / "program.log", "ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "--workers", "2", "--bind", f"unix:{self.socket}"]
                + ["--pythonpath", folders, f"flask_side:application({str(self.root)!r})"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )

    def location(self, block: str) -> str:
        """The settings of the example, under their names for a proxy."""
        block = re.sub(r"(?m)^ *fastcgi_(param|keep_conn) .*\n", "", block)
        block = replace(block, "fastcgi_pass resumabled;", "proxy_pass http://resumabled;")
        return re.sub(r"(?m)^( *)fastcgi_", r"\1proxy_", block)


SIDES = {
    side.name: side for side in (Dav, Resumabled, Before, Unsynced, Streaming, Floor, UnsyncedFloor, Flask)
}
