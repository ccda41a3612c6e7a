"""The program is killed again and again under load, and every promise holds all the same (contract, promises 1 to 4).

`KILLS=2000 Tests/run endtoend` kills more often; `SEED=n` repeats the files and the moments of a run, though not what
the machine's scheduler made of them.
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
            # While it is still starting, that is while it finishes what the last one left.
            server.kill_program()
            server.program = server.spawn_program()
            time.sleep(moments.uniform(0, 0.03))
        else:
            # A life in which nothing was accepted would prove nothing.
            load.wait_for_progress()
            time.sleep(moments.uniform(0, 0.25))
        server.kill_program()
        server.start_program()


def test_killed_at_random_under_load_it_loses_nothing(server):
    # A failure shows it; `pytest -s` always does.
    print(f"SEED={SEED} KILLS={KILLS}")
    with Load(server, SEED) as load:
        kill_again_and_again(server, load)
    print(f"{len(load.digests)} files, {load.counts}")
    assert load.counts["cut off"] > 0
    # Each file once, whole; nothing else.
    assert server.finished_files() == sorted(load.digests)
    load.expect_files_whole(load.digests)
    # Of the uploads themselves only the answers to late duplicates are left.
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
