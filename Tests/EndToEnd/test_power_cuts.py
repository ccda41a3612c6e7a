"""The power fails many times under load (PROTOCOL.md, Promises): a file that was reported complete is on disk and
whole. A chunk may be asked for again, but never counts without its bytes.

The disk is a real ext4 that is shut down without its unwritten data. The machine itself keeps running, so the shim
gives the program another boot id.

`POWER_CUTS=500 Tests/run endtoend` cuts more often. `SEED=n` repeats the files and the moments of a run.
"""

import os
import random
import time
import uuid

import pytest

from support import disks
from support.client import MIB
from support.faults import Faults
from support.load import Load
from support.server import Server, run_program

POWER_CUTS = int(os.environ.get("POWER_CUTS", "20"))
SEED = int(os.environ.get("SEED", random.randrange(1 << 32)))


@pytest.mark.parametrize("durability", ["file", "chunk"])
def test_every_promise_survives_power_cuts(tmp_path, durability):
    print(f"SEED={SEED} POWER_CUTS={POWER_CUTS}")
    moments = random.Random(SEED)
    boot = tmp_path / "boot_id"
    boot.write_text(str(uuid.uuid4()))
    environment = Faults(tmp_path).environment | {"BOOT_ID": str(boot)}
    with (
        disks.image(tmp_path / "disk", "ext4", 2048 * MIB) as disk,
        Server(disk / "root", options=("--durability", durability), environment=environment) as server,
    ):
        # With `chunk` each 200 is permanent; with `file` only the 200 of a complete file is.
        with Load(server, SEED, forgetful=durability == "file") as load:
            for _ in range(POWER_CUTS):
                load.wait_for_progress()
                time.sleep(moments.uniform(0, 0.4))
                promised = set(load.completed)
                server.kill_program()
                disks.cut_power(disk)
                load.expect_files_whole(promised)
                boot.write_text(str(uuid.uuid4()))
                server.start_program()
        print(f"{len(load.digests)} files, {load.counts}")
        assert load.counts["cut off"] > 0
        assert server.finished_files() == sorted(load.digests)
        load.expect_files_whole(load.digests)
        # A file that was just begun may leave a part that no journal names. It expires like any other.
        for file in (server.root / ".resumabled").iterdir():
            os.utime(file, (0, 0))
        assert run_program("sweep", "--root", server.root).returncode == 0
        assert list((server.root / ".resumabled").iterdir()) == []
