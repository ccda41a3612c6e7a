"""The program is killed many times under load, and keeps every promise (PROTOCOL.md, Promises).

`KILLS=2000 Tests/run endtoend` kills more often. `SEED=n` repeats the files and the moments of a run, but not the
decisions of the machine's scheduler.
"""

import os
import random
import time

from support.load import Load
from support.server import Server, run_program

KILLS = int(os.environ.get("KILLS", "200"))
SEED = int(os.environ.get("SEED", random.randrange(1 << 32)))


def kill_again_and_again(server: Server, load: Load) -> None:
    moments = random.Random(SEED)
    for kill in range(KILLS):
        if kill % 10 == 9:
            # During the start, while the program finishes the uploads that the last one left.
            server.kill_program()
            server.program = server.spawn_program()
            time.sleep(moments.uniform(0, 0.03))
        else:
            # A life without an accepted chunk would prove nothing.
            load.wait_for_progress()
            time.sleep(moments.uniform(0, 0.25))
        server.kill_program()
        server.start_program()


def test_random_kills_under_load_lose_nothing(server):
    # A failure shows it; `pytest -s` always does.
    print(f"SEED={SEED} KILLS={KILLS}")
    with Load(server, SEED) as load:
        kill_again_and_again(server, load)
    print(f"{len(load.digests)} files, {load.counts}")
    assert load.counts["cut off"] > 0
    # Each file once, whole, and no other file.
    assert server.finished_files() == sorted(load.digests)
    load.expect_files_whole(load.digests)
    # Only the markers for late duplicates are left of the uploads.
    assert {path.suffix for path in (server.root / ".resumabled").iterdir()} <= {".journal"}
    found = run_program("verify", "--root", server.root)
    assert found.returncode == 0, found.stdout + found.stderr
    server.stop_program()
    # Times are whole seconds.
    time.sleep(2.1)
    swept = run_program("sweep", "--root", server.root, "--expire", "1s")
    assert swept.returncode == 0, swept.stderr
    assert list((server.root / ".resumabled").iterdir()) == []
    assert server.finished_files() == sorted(load.digests)
    server.start_program()
