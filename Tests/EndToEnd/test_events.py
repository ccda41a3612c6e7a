"""A site is told of every finished file, at least once, whatever state it is in; and nobody who uploads waits for it."""

import concurrent.futures
import statistics
import threading
import time

import pytest

from support.client import layout, parameters
from support.server import Server, run_program, wait_until
from support.webhook_receiver import DATA, Reply, WebhookReceiver, all_delivered, pending, send, told

@pytest.fixture
def site():
    with WebhookReceiver() as site:
        yield site


def test_a_finished_file_is_told_with_all_that_is_known_of_it(site, key, tmp_path):
    with told(site, key, tmp_path / "root") as server:
        send(server, "Grüße 文件.bin", title="Ein \"Titel\"\n", resumableType="image/png")
        wait_until(lambda: site.received, 10, "the site is told")
        wait_until(lambda: all_delivered(server), 10, "the event is written down as delivered")
    [received] = site.received
    assert received.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    event = received.event
    assert event["specversion"] == "1.0"
    assert event["type"] == "resumabled.upload.finished"
    assert event["source"] == "/resumable_upload"
    assert event["subject"] == "Grüße 文件.bin"
    assert len(event["id"]) == 32
    facts = event.data
    begun, finished = facts.pop("begun"), facts.pop("finished")
    assert time.time() - 60 < begun <= finished <= time.time()
    assert event["time"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(finished))
    assert facts == {
        "identifier": "id of Grüße 文件.bin", "filename": "Grüße 文件.bin", "path": "Grüße 文件.bin",
        "size": len(DATA), "type": "image/png", "metadata": {"title": "Ein \"Titel\"\n"},
    }


def test_a_site_that_is_dead_for_a_while_is_told_of_everything_when_it_is_back(key, tmp_path):
    site = WebhookReceiver()
    with told(site, key, tmp_path / "root") as server:
        for number in range(6):
            send(server, f"{number}.bin")
        wait_until(lambda: all(e["receivers"][0]["attempts"] for e in pending(server)), 10, "all were tried")
        waiting = pending(server)
        assert len(waiting) == 6
        assert {each["receivers"][0]["receiver"] for each in waiting} == {"url"}
        assert all("connect" in each["receivers"][0]["error"].lower() for each in waiting)
        with site:
            wait_until(lambda: all_delivered(server), 30, "all is told")
            assert sorted(each.event["subject"] for each in site.received) == [f"{n}.bin" for n in range(6)]
            assert {each["id"] for each in waiting} == set(site.ids())


def test_a_site_that_answers_500_is_told_again_with_the_same_id(site, key, tmp_path):
    site.reply = lambda _: Reply(204 if len(site.received) > 2 else 500, body=b"trouble\nmore")
    with told(site, key, tmp_path / "root") as server:
        send(server, "a.bin")
        wait_until(lambda: all_delivered(server), 20, "it is told in the end")
        assert len(site.received) == 3
        assert len(set(site.ids())) == 1
        stamps = [int(each.headers["webhook-timestamp"]) for each in site.received]
        assert stamps == sorted(stamps) and stamps[0] < stamps[2]


def test_what_could_not_be_told_is_told_after_a_restart(key, tmp_path):
    site = WebhookReceiver()
    with told(site, key, tmp_path / "root") as server:
        send(server, "a.bin")
        wait_until(lambda: pending(server)[0]["receivers"][0]["attempts"], 10, "it was tried")
        server.stop_program()
        assert len(pending(server)) == 1
        with site:
            server.start_program()
            wait_until(lambda: all_delivered(server), 20, "it is told")
            assert [each.event["subject"] for each in site.received] == ["a.bin"]


def test_a_site_that_asks_to_be_left_alone_is(site, key, tmp_path):
    moments = []

    def reply(_):
        moments.append(time.monotonic())
        return Reply(503, {"Retry-After": "4"}) if len(moments) == 1 else Reply()

    site.reply = reply
    with told(site, key, tmp_path / "root") as server:
        send(server, "a.bin")
        wait_until(lambda: moments, 10, "it is asked")
        wait_until(lambda: pending(server)[0]["receivers"][0]["attempts"], 10, "its answer has come")
        # Neither for this event nor for another.
        send(server, "b.bin")
        wait_until(lambda: all_delivered(server), 30, "all is told")
    assert moments[1] - moments[0] >= 3.9


def test_redirects_are_not_followed(site, key, tmp_path):
    site.reply = lambda _: Reply(307, {"Location": f"http://127.0.0.1:{site.port}/elsewhere"})
    with told(site, key, tmp_path / "root") as server:
        send(server, "a.bin")
        wait_until(lambda: len(site.received) >= 2, 10, "it is tried twice")
        assert {each.path for each in site.received} == {"/events"}
        assert pending(server)[0]["receivers"][0]["error"].startswith("answered 307")


def test_uploads_of_one_name_are_told_in_their_order(key, tmp_path):
    site = WebhookReceiver()
    with told(site, key, tmp_path / "root") as server:
        sizes = list(range(1000, 13_000, 1000))
        for size in sizes:
            send(server, "a.bin", DATA[:size])
        assert len(pending(server)) == len(sizes)
        with site:
            wait_until(lambda: all_delivered(server), 30, "all is told")
            assert [each.event.data["size"] for each in site.received] == sizes
            assert len(set(site.ids())) == len(sizes)
    paths = [each.event.data["path"] for each in site.received]
    assert sorted(paths) == server.finished_files()


def test_one_event_that_the_site_chokes_on_holds_no_other_up(site, key, tmp_path):
    site.reply = lambda received: Reply(400 if received.event["subject"] == "bad.bin" else 204)
    with told(site, key, tmp_path / "root") as server:
        send(server, "bad.bin")
        for number in range(5):
            send(server, f"{number}.bin")
        wait_until(lambda: [each["path"] for each in pending(server)] == ["bad.bin"], 10, "the others are told")


def median_upload(server: Server, count: int = 40) -> float:
    """How long a file takes, from the first chunk to the answer to the last."""
    times = []
    for number in range(count):
        began = time.monotonic()
        send(server, f"{number}.bin")
        times.append(time.monotonic() - began)
    return statistics.median(times)


def test_a_site_that_never_answers_makes_no_upload_slower(site, key, tmp_path):
    over = threading.Event()
    site.reply = lambda _: over.wait(60) and Reply() or Reply()
    ratios = []
    # The machine has moods: of three comparisons one has to be fair.
    for attempt in range(3):
        with Server(tmp_path / f"alone{attempt}") as server:
            alone = median_upload(server)
        with told(site, key, tmp_path / f"told{attempt}") as server:
            beside = median_upload(server)
            assert len(pending(server)) == 40
        ratios.append(beside / alone)
        if ratios[-1] < 1.3:
            break
    over.set()
    print(f"{ratios} times as long")
    assert min(ratios) < 1.3, ratios


def test_a_slow_site_is_told_of_several_files_at_once(site, key, tmp_path):
    site.reply = lambda _: time.sleep(0.3) or Reply()
    with told(site, key, tmp_path / "root") as server:
        for number in range(8):
            send(server, f"{number}.bin")
        wait_until(lambda: all_delivered(server), 30, "all is told")
        assert len(site.received) == 8


def test_two_processes_on_one_root_tell_each_event_once(site, key, tmp_path):
    """As when a new one starts while the old one finishes."""
    site.reply = lambda _: time.sleep(0.2) or Reply()
    with told(site, key, tmp_path / "root") as server:
        for number in range(12):
            send(server, f"{number}.bin")
        # It looks through the same outbox at its start, while the first one is at it.
        with told(site, key, tmp_path / "root") as other:
            wait_until(lambda: all_delivered(other), 30, "all is told")
        assert sorted(site.ids()) == sorted(set(site.ids()))
        assert len(site.received) == 12


def test_an_operator_retries_and_drops(key, tmp_path):
    site = WebhookReceiver()
    with told(site, key, tmp_path / "root") as server:
        send(server, "a.bin")
        send(server, "b.bin")
        # Long enough that the next attempt isn't by chance.
        wait_until(
            lambda: all(each["receivers"][0]["attempts"] >= 4 for each in pending(server)), 60, "some attempts")
        first, second = pending(server)
        table = run_program("events", "list", "--root", server.root).stdout
        assert first["id"] in table and "a.bin" in table and "url" in table
        dropped = run_program("events", "drop", "--root", server.root, first["id"])
        assert dropped.returncode == 0, dropped.stderr
        assert [each["id"] for each in pending(server)] == [second["id"]]
        assert run_program("events", "drop", "--root", server.root).returncode != 0
        assert run_program("events", "drop", "--root", server.root, first["id"]).returncode != 0
        with site:
            began = time.time()
            retried = run_program("events", "retry", "--root", server.root)
            assert retried.returncode == 0, retried.stderr
            wait_until(lambda: all_delivered(server), 10, "it is told at once")
            assert time.time() < second["receivers"][0]["next"] + 10, began
            assert site.ids() == [second["id"]]
    assert "All events are delivered." in run_program("events", "list", "--root", server.root).stdout


def test_with_no_receiver_nothing_more_is_written(tmp_path):
    with Server(tmp_path / "root") as server:
        send(server, "a.bin")
        assert {path.suffix for path in (server.root / ".resumabled").iterdir()} == {".journal"}
        assert pending(server) == []


@pytest.mark.parametrize(
    "option, value", [
        ("--on-complete-url", "ftp://127.0.0.1/"), ("--on-complete-url", "http://"), ("--on-begin-url", "/events"),
        ("--on-complete-exec", "true"), ("--on-complete-exec", "/nowhere"), ("--event-timeout", "0"),
        ("--event-key", "/dev/null"),
    ])
def test_settings_that_cannot_work_are_said_at_the_start(option, value, tmp_path):
    more = ["--on-complete-url", "http://127.0.0.1:9/"] if option == "--event-key" else []
    ended = run_program("serve", "--root", tmp_path / "root", "--socket", tmp_path / "s", option, value, *more)
    assert ended.returncode == 64 and option.removeprefix("--event-key") in ended.stderr, ended.stderr


# --- before an upload begins


def asked(site: WebhookReceiver, key, root) -> Server:
    return Server(root, options=("--on-begin-url", site.url, "--event-key", str(key)))


def first_chunk(server: Server, name: str = "a.bin", **more):
    [chunk, *_] = layout(len(DATA), 20_000, force=True)
    fields = parameters(
        chunk, identifier=f"id of {name}", filename=name, size=len(DATA), chunk_size=20_000, **more)
    with server.client() as client:
        return client.send(fields, DATA[chunk.start : chunk.end])


def nothing_is_kept(server: Server) -> bool:
    return list((server.root / ".resumabled").iterdir()) == [] and server.finished_files() == []


def test_an_upload_that_the_site_lets_begin_is_asked_about_once(site, key, tmp_path):
    site.reply = lambda _: time.sleep(0.3) or Reply(200)
    with asked(site, key, tmp_path / "root") as server:
        chunks = layout(len(DATA), 5000, force=True)

        def one(chunk):
            fields = parameters(chunk, identifier="i", filename="a.bin", size=len(DATA), chunk_size=5000, title="t")
            with server.client() as client:
                return client.send(fields, DATA[chunk.start : chunk.end]).status

        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            assert set(pool.map(one, chunks)) == {200}
        assert server.finished_files() == ["a.bin"]
    [received] = site.received
    event = received.event
    assert event["type"] == "resumabled.upload.begun"
    assert event.data == {
        "identifier": "i", "filename": "a.bin", "relativePath": "a.bin", "size": len(DATA),
        "type": "application/octet-stream", "metadata": {"title": "t"},
    }


@pytest.mark.parametrize("status", [403, 415, 422])
def test_an_upload_that_the_site_refuses_leaves_nothing(status, site, key, tmp_path):
    site.reply = lambda _: Reply(
        status, {"Content-Type": "text/plain; charset=utf-8"}, "Keine \x1b[31mVideos, bitte\nsecret".encode())
    with asked(site, key, tmp_path / "root") as server:
        answer = first_chunk(server)
        assert (answer.status, answer.outcome) == (415, "refused")
        assert answer.body.decode().strip() == "Keine \ufffd[31mVideos, bitte"
        assert nothing_is_kept(server)
        # A test of it is no upload, and nobody is asked.
        asked_before = len(site.received)
        with server.client() as client:
            chunk = layout(len(DATA), 20_000, force=True)[0]
            fields = parameters(chunk, identifier="x", filename="x", size=len(DATA), chunk_size=20_000)
            assert client.test(fields).status == 404
        assert len(site.received) == asked_before


def test_a_page_is_not_shown_and_a_long_word_is_cut(site, key, tmp_path):
    with asked(site, key, tmp_path / "root") as server:
        site.reply = lambda _: Reply(403, {"Content-Type": "text/html"}, b"<h1>Forbidden</h1>")
        assert first_chunk(server, "a").body.decode().strip() == "The site does not take this file"
        site.reply = lambda _: Reply(403, {"Content-Type": "text/plain"}, b"x" * 1_000_000)
        assert first_chunk(server, "b").body.decode().strip() == "x" * 200


@pytest.mark.parametrize("trouble", ["500", "302", "dead", "slow"])
def test_while_the_site_cannot_say_the_client_is_to_try_again(trouble, site, key, tmp_path):
    over = threading.Event()
    if trouble == "dead":
        site.close()
    elif trouble == "slow":
        site.reply = lambda _: over.wait(30) and Reply() or Reply()
    else:
        site.reply = lambda _: Reply(int(trouble), {"Location": site.url})
    with asked(site, key, tmp_path / "root") as server:
        began = time.monotonic()
        answer = first_chunk(server)
        # Three seconds are its limit.
        assert time.monotonic() - began < 10
        assert (answer.status, answer.outcome) == (503, "retry")
        assert int(answer.headers["Retry-After"]) > 0
        assert nothing_is_kept(server)
        over.set()
        site.reply = lambda _: Reply()
        if trouble == "dead":
            site.open()
        wait_until(lambda: first_chunk(server).status == 200, 15, "it goes on when the site is back")
