"""Starting, stopping, crashing, and connections that break in the middle of a body."""

import concurrent.futures
import fcntl
import signal
import socket
import stat
import struct
import time

import pytest

from support.client import Chunk, layout, multipart, parameters, query, random_bytes
from support.fastcgi import Request, upload_params
from support.journal import HELD, Journal, xxh3
from support.server import wait_until

CHUNK = 100_000
DATA = random_bytes(5 * CHUNK)
CHUNKS = layout(len(DATA), CHUNK, False)


def fields_of(chunk: Chunk, name: str = "life"):
    return parameters(chunk, identifier=name, filename=name, size=len(DATA), chunk_size=CHUNK)


def content(chunk: Chunk) -> bytes:
    return DATA[chunk.start : chunk.end]


def begin(server, chunk: Chunk) -> tuple[Request, bytes]:
    """A request straight to the program with half of its body sent, and the other half of the body."""
    body = content(chunk)
    params = upload_params("POST", query(fields_of(chunk)), "application/octet-stream", len(body))
    request = Request(server.socket, params)
    request.write(body[: len(body) // 2])
    return request, body[len(body) // 2 :]


def test_only_owner_and_group_can_use_the_socket(server):
    mode = server.socket.stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660


def test_an_idle_program_stops_at_once_and_removes_its_socket(server):
    assert server.stop_program() < 1
    assert not server.socket.exists()


def test_sigint_stops_it_cleanly_too(server):
    server.program.send_signal(signal.SIGINT)
    server.expect_clean_end()


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGTERM])
def test_the_signal_that_stops_it_is_logged(server, how):
    server.program.send_signal(how)
    server.expect_clean_end()
    assert f"stopping signal={int(how)}\n" in server.program_log()


@pytest.mark.parametrize("other", [
    signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGIO, signal.SIGPWR, 16,
    signal.SIGRTMIN, signal.SIGRTMAX])
def test_other_signals_are_logged_and_ignored(server, client, other):
    server.program.send_signal(other)
    wait_until(lambda: f"signal ignored signal={int(other)}\n" in server.program_log(), 5, "a line in the log")
    assert client.test(fields_of(CHUNKS[0])).status == 404


def test_sigterm_lets_a_request_in_flight_finish(server, client):
    request, rest = begin(server, CHUNKS[0])
    time.sleep(0.3)
    server.program.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert server.program.poll() is None, "the program ended with a request in flight"
    request.write(rest)
    status, _, body = request.answer()
    # The chunk in flight is not lost: the client has sent its bytes and expects an answer.
    assert (status, body) == (200, b"OK")
    server.expect_clean_end()
    server.start_program()
    assert client.test(fields_of(CHUNKS[0])).status == 200


def test_a_second_program_on_the_same_socket_refuses_to_start(server, client):
    second = server.spawn_program()
    assert second.wait(10) != 0
    assert client.send(fields_of(CHUNKS[0]), content(CHUNKS[0])).status == 200


def test_a_socket_left_by_a_dead_program_is_replaced(server, client):
    server.kill_program()
    assert server.socket.exists()
    server.start_program()
    assert client.send(fields_of(CHUNKS[0]), content(CHUNKS[0])).status == 200


def test_an_upload_continues_after_a_clean_stop(server, client):
    for chunk in CHUNKS[:2]:
        assert client.send(fields_of(chunk), content(chunk)).status == 200
    server.stop_program()
    server.start_program()
    assert [client.test(fields_of(chunk)).status for chunk in CHUNKS] == [200, 200, 404, 404, 404]
    client.upload(DATA, filename="life", identifier="life", chunk_size=CHUNK)
    assert (server.root / "life").read_bytes() == DATA


def test_an_upload_continues_after_a_crash(server, client):
    for chunk in CHUNKS[:2]:
        assert client.send(fields_of(chunk), content(chunk)).status == 200
    server.kill_program()
    server.start_program()
    # The kernel did not crash, so every acknowledged chunk is there (PROTOCOL.md, Promises).
    assert [client.test(fields_of(chunk)).status for chunk in CHUNKS] == [200, 200, 404, 404, 404]
    client.upload(DATA, filename="life", identifier="life", chunk_size=CHUNK)
    assert (server.root / "life").read_bytes() == DATA


def test_a_finished_file_is_still_known_after_a_restart(server, client):
    client.upload(DATA, filename="life", identifier="life", chunk_size=CHUNK)
    server.stop_program()
    server.start_program()
    assert {client.test(fields_of(chunk)).status for chunk in CHUNKS} == {200}
    assert {client.send(fields_of(chunk), content(chunk)).status for chunk in CHUNKS} == {200}
    assert server.finished_files() == ["life"]


def test_it_serves_before_a_slow_recovery_is_over(server, client):
    for chunk in CHUNKS[:4]:
        assert client.send(fields_of(chunk), content(chunk)).status == 200
    server.stop_program()
    # A process that died after the last chunk has left the upload complete. Another one is writing to its file, so the
    # recovery has to wait: up to ten seconds.
    (data,) = (server.root / ".resumabled").glob("*.data")
    with open(data, "r+b") as file:
        file.seek(CHUNKS[4].start)
        file.write(content(CHUNKS[4]))
        file.flush()
        journal = Journal(server.root, "life", "life")
        journal.append(journal.record(HELD, CHUNKS[4].start, CHUNK, xxh3(content(CHUNKS[4]))))
        # struct flock: type, whence, start, length, pid. Locks of one open file are those that the program uses.
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
        began = time.monotonic()
        server.start_program()
        wait_until(lambda: " ready " in server.program_log().splitlines()[-1], 6, "it is ready")
        assert time.monotonic() - began < 7
        other = fields_of(CHUNKS[0], "other")
        assert client.send(other, content(CHUNKS[0])).status == 200 and client.test(other).status == 200
        assert "life" not in server.finished_files()
    wait_until(lambda: "life" in server.finished_files(), 10, "the recovery has finished the upload")
    assert (server.root / "life").read_bytes() == DATA


def test_a_connection_that_breaks_in_the_middle_of_a_body_leaves_the_chunk_missing(server, client):
    content_type, body = multipart(fields_of(CHUNKS[0]), content(CHUNKS[0]))
    head = (
        f"POST {client.route} HTTP/1.1\r\nHost: h\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode() + body[: len(body) // 2])
    wait_until(lambda: any("POST" in line for line in server.access_log()), 10, "nginx has noticed")
    assert client.test(fields_of(CHUNKS[0])).status == 404


def test_a_body_that_breaks_off_inside_the_program_leaves_the_chunk_missing(server, client):
    request, _ = begin(server, CHUNKS[0])
    request.close()
    # A later request for the same upload is answered after the program has finished with the first one.
    time.sleep(0.3)
    assert client.test(fields_of(CHUNKS[0])).status == 404
    assert client.send(fields_of(CHUNKS[0]), content(CHUNKS[0])).status == 200


def test_a_body_shorter_than_its_length_gets_retry(server, client):
    request, _ = begin(server, CHUNKS[0])
    status, fields, _ = request.answer()
    assert (status, fields["x-upload-outcome"]) == (503, "retry")
    assert client.test(fields_of(CHUNKS[0])).status == 404


def test_a_half_sent_request_does_not_block_others(server, client):
    request, rest = begin(server, CHUNKS[0])
    assert client.send(fields_of(CHUNKS[1]), content(CHUNKS[1])).status == 200
    request.write(rest)
    assert request.answer()[0] == 200


def test_too_many_requests_of_one_address_get_retry(server):
    # The program is stopped, so requests stay open up to nginx's limit for one address, which is 64.
    clients = [server.client() for _ in range(70)]
    with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
        server.program.send_signal(signal.SIGSTOP)
        try:
            answers = [pool.submit(client.test, fields_of(CHUNKS[0])) for client in clients]
            wait_until(lambda: sum(answer.done() for answer in answers) == 6, 10, "six are refused")
            turned_away = [answer.result() for answer in answers if answer.done()]
        finally:
            server.program.send_signal(signal.SIGCONT)
        statuses = [answer.result(30).status for answer in answers]
    for client in clients:
        client.connection.close()
    assert {(answer.status, answer.outcome) for answer in turned_away} == {(503, "retry")}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in turned_away)
    assert (statuses.count(404), statuses.count(503)) == (64, 6)
