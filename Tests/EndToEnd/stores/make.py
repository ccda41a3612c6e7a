"""Writes the stores in 0.1.0/, which test_upgrade.py starts on. To be run with the program of that release:

    cd Tests/EndToEnd && RESUMABLED=PATH PYTHONPATH=. python3 stores/make.py stores/0.1.0
"""

import pathlib
import shutil
import sys
import tempfile

from support.client import layout, parameters, random_bytes
from support.server import Server, free_port

CHUNK = 1000
#: The files of the store `flat`: contents by name.
FILES = {
    "finished.bin": random_bytes(2 * CHUNK, seed=1),
    "unfinished.bin": random_bytes(3 * CHUNK, seed=2),
    "again.bin": random_bytes(2 * CHUNK, seed=3),
}
#: A later version of `again.bin`, under way.
AGAIN = random_bytes(3 * CHUNK, seed=4)
#: The file of the store `tree`, under way.
PATH, TREE = "照片/2026/1.jpg", random_bytes(3 * CHUNK, seed=5)


def fields_of(name: str, number: int, data: bytes, **more):
    chunk = layout(len(data), CHUNK, True)[number - 1]
    return parameters(
        chunk, identifier=f"id of {name}", filename=name, size=len(data), chunk_size=CHUNK, title="Ürlaub",
        resumableLastModified=None, **more)


def content_of(number: int, data: bytes) -> bytes:
    return data[(number - 1) * CHUNK : number * CHUNK]


def send(client, name: str, number: int, data: bytes, **more):
    return client.send(fields_of(name, number, data, **more), content_of(number, data))


def make(target: pathlib.Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder) / "flat"
        # Nothing listens there, so the events stay.
        with Server(root, options=("--on-complete-url", f"http://127.0.0.1:{free_port()}/")) as server:
            with server.client() as client:
                for name in ("finished.bin", "again.bin"):
                    assert [send(client, name, number, FILES[name]).status for number in (1, 2)] == [200, 200]
                assert [send(client, "unfinished.bin", number, FILES["unfinished.bin"]).status for number in (1, 3)] == [200, 200]
                assert send(client, "again.bin", 2, AGAIN).status == 200
        shutil.copytree(root, target / "flat")
        root = pathlib.Path(folder) / "tree"
        with Server(root, options=("--layout", "tree")) as server, server.client() as client:
            assert send(client, "1.jpg", 2, TREE, resumableRelativePath=PATH).status == 200
        shutil.copytree(root, target / "tree")


if __name__ == "__main__":
    make(pathlib.Path(sys.argv[1]))
