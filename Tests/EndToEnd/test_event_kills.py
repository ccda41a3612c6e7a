"""The program is killed between a file's completion and the delivery of its event, many times. Every event arrives.

`EVENT_KILLS=200` kills more often. `SEED=n` repeats the files and the moments of a run.
"""

import collections
import os
import random
import time

from support.load import Load
from support.server import wait_until
from support.webhook_receiver import Reply, WebhookReceiver, all_delivered, pending, told

KILLS = int(os.environ.get("EVENT_KILLS", "30"))
SEED = int(os.environ.get("SEED", random.randrange(1 << 32)))


def test_random_kills_lose_no_event_and_invent_none(key, tmp_path):
    print(f"SEED={SEED} EVENT_KILLS={KILLS}")
    root = tmp_path / "root"
    choice = random.Random(SEED)
    early = []

    def reply(received):
        facts = received.event.data
        file = root / facts["path"]
        if not file.exists() or file.stat().st_size != facts["size"]:
            early.append(facts)
        # Long enough that a kill interrupts deliveries, and answers to deliveries.
        time.sleep(choice.uniform(0, 0.1))
        return Reply(choice.choice([204] * 8 + [500, 503]))

    left = 0
    with WebhookReceiver(reply) as site:
        with told(site, key, root) as server:
            with Load(server, SEED) as load:
                for kill in range(KILLS):
                    load.wait_for_progress()
                    time.sleep(choice.uniform(0, 0.25))
                    if kill % 5 == 3:
                        # The receiver restarts as well, and may be down while files are finished.
                        site.close()
                    server.kill_program()
                    left += len(pending(server))
                    if site.server is None and kill % 5 == 4:
                        site.open()
                    server.start_program()
                if site.server is None:
                    site.open()
            wait_until(lambda: all_delivered(server), 120, "every event is delivered")
        told_of = collections.defaultdict(list)
        for received in site.received:
            told_of[received.event.data["filename"]].append(received.id)
        again = sum(len(ids) - 1 for ids in told_of.values())
        print(f"{len(load.digests)} files, {left} events were left by the {KILLS} that died, {again} told again")
        assert left > 0
        assert not early, early
        assert sorted(told_of) == sorted(load.digests) == server.finished_files()
        assert {name: len(set(ids)) for name, ids in told_of.items() if len(set(ids)) > 1} == {}
