"""Faults below the program: full disks, failing disks, missing rights. The client is told to retry or to give up
(PROTOCOL.md, Status codes), the log has the cause once, and the upload continues when the cause is gone.

Real faults are used where the machine can produce them: a full tmpfs, a btrfs quota, a disk that loses writes (a loop
device on a file that cannot grow), a read-only file system, a limit of descriptors. fault_shim.c makes the other
errors, and those in the middle of a step.
"""

import contextlib
import errno
import os
import pathlib
import re
import resource
import signal
import subprocess

import pytest

from support import disks
from support.client import MIB, layout, parameters, random_bytes
from support.disks import as_root, fill, read_from_disk
from support.faults import DEATH, Faults
from support.server import Server, run_program

# Larger than one read of the program, so each chunk is written in several calls. A whole number of blocks, so no two
# chunks share a block.
CHUNK = 80 * 4096
DATA = random_bytes(4 * CHUNK, seed=9)
CHUNKS = layout(len(DATA), CHUNK, False)
NO_SPACE = b"The server has no space left"


@pytest.fixture
def faulty(tmp_path):
    """A server whose system calls can be made to fail, and the control of the faults."""
    faults = Faults(tmp_path)
    with Server(tmp_path / "root", environment=faults.environment) as server:
        yield server, faults


@contextlib.contextmanager
def served(root: pathlib.Path, *options: str):
    """A server, and a client with a connection to it."""
    with Server(root, options=options) as server, server.client() as client:
        yield server, client


def fields_of(chunk, name: str, data: bytes = DATA, chunk_size: int = CHUNK):
    return parameters(chunk, identifier=f"id {name}", filename=name, size=len(data), chunk_size=chunk_size)


def send(client, number: int, name: str):
    chunk = CHUNKS[number - 1]
    return client.send(fields_of(chunk, name), DATA[chunk.start : chunk.end])


def held(client, name: str) -> list[int]:
    """The numbers of the chunks for which a test answers 200."""
    statuses = {chunk.number: client.test(fields_of(chunk, name)).status for chunk in CHUNKS}
    assert set(statuses.values()) <= {200, 404}, statuses
    return [number for number, status in statuses.items() if status == 200]


def expect(answer, status: int, outcome: str, line: bytes | None = None) -> None:
    """Checks the status and the outcome, and that the line for the user reveals nothing internal."""
    assert (answer.status, answer.outcome) == (status, outcome), answer.body
    if status == 503:
        assert int(answer.headers["Retry-After"]) >= 1
    if line is not None:
        assert answer.body == line
    internal = {os.strerror(code).encode() for code in errno.errorcode} | {b"/", b".resumabled", b".data", b".journal"}
    assert not [each for each in internal if each in answer.body], answer.body


class Log:
    """The lines that the program logs from now on."""

    def __init__(self, server: Server):
        self.server = server
        self.before = len(server.program_log())

    def complaints(self) -> list[str]:
        lines = self.server.program_log()[self.before :].splitlines()
        return [line for line in lines if re.search(r" (notice|warning|error|critical) ", line)]

    def expect_one(self, cause: str) -> None:
        # The fault's effect on the upload is logged on a line of its own, which names the upload and not the cause.
        complaints = [line for line in self.complaints() if " upload lost " not in line]
        assert len(complaints) == 1 and cause in complaints[0], complaints


def finish(server: Server, client, name: str, sent: int) -> None:
    """After the cause is gone: the client sends as many chunks as were missing, and the file is whole."""
    answers = client.upload(DATA, filename=name, identifier=f"id {name}", chunk_size=CHUNK)
    assert [answer.status for answer in answers] == [200] * sent
    assert (server.root / name).read_bytes() == DATA
    assert name in server.finished_files()
    checked = run_program("verify", "--root", server.root)
    assert checked.returncode == 0, checked.stdout + checked.stderr


# --- one call fails, by fault_shim.c

WAIT = b"The server cannot write at the moment"
WHILE_TAKING = [
    # call, file, errno, calls that pass, line
    ("pwrite", ".data", errno.ENOSPC, 0, NO_SPACE),
    ("pwrite", ".data", errno.ENOSPC, 1, NO_SPACE),
    ("pwrite", ".data", errno.EDQUOT, 0, NO_SPACE),
    ("pwrite", ".data", errno.EFBIG, 0, NO_SPACE),
    ("pwrite", ".data", errno.EIO, 0, WAIT),
    ("pwrite", ".data", errno.EIO, 1, WAIT),
    ("pwrite", ".data", errno.EROFS, 0, WAIT),
    ("pwrite", ".journal", errno.EIO, 0, WAIT),
    ("pwrite", ".journal", errno.ENOSPC, 0, NO_SPACE),
    ("openat", ".data", errno.EMFILE, 0, WAIT),
    ("openat", ".data", errno.ENFILE, 0, WAIT),
    ("openat", ".data", errno.EACCES, 0, WAIT),
    ("openat", ".data", errno.EIO, 0, WAIT),
]
WHILE_BEGINNING = [
    ("openat", ".journal", errno.EACCES, WAIT),
    ("openat", ".journal", errno.EMFILE, WAIT),
    ("openat", ".journal", errno.EROFS, WAIT),
    ("openat", ".journal", errno.ENOSPC, NO_SPACE),
    ("openat", ".data", errno.EACCES, WAIT),
    ("openat", ".data", errno.EDQUOT, NO_SPACE),
    ("pwrite", ".journal", errno.ENOSPC, NO_SPACE),
    ("pwrite", ".journal", errno.EIO, WAIT),
    ("fallocate", ".data", errno.ENOSPC, NO_SPACE),
    ("fallocate", ".data", errno.EDQUOT, NO_SPACE),
    ("fallocate", ".data", errno.EIO, WAIT),
]
WHILE_FINISHING = [
    ("pwrite", ".journal", errno.ENOSPC, NO_SPACE),
    ("renameat2", ".data", errno.EIO, WAIT),
    ("renameat2", ".data", errno.EACCES, WAIT),
    ("renameat2", ".data", errno.EROFS, WAIT),
    ("renameat2", ".data", errno.ENOSPC, NO_SPACE),
    ("fsync", "/root", errno.EIO, WAIT),
]


def case(each) -> str:
    call, ending, code, *_ = each
    return f"{call}-{ending.strip('./')}-{errno.errorcode[code]}"


@pytest.mark.parametrize("call, ending, code, passes, line", WHILE_TAKING, ids=map(case, WHILE_TAKING))
def test_a_fault_in_the_middle_of_an_upload_costs_only_the_current_chunk(faulty, call, ending, code, passes, line):
    server, faults = faulty
    with server.client() as client:
        assert [send(client, number, "film").status for number in (1, 2)] == [200, 200]
        log = Log(server)
        with faults.armed(call, ending, code, passes=passes):
            expect(send(client, 3, "film"), 503, "retry", line)
        log.expect_one(os.strerror(code))
        assert held(client, "film") == [1, 2]
        finish(server, client, "film", sent=2)


@pytest.mark.parametrize("call, ending, code, line", WHILE_BEGINNING, ids=map(case, WHILE_BEGINNING))
def test_after_a_fault_at_the_first_chunk_the_upload_can_begin_again(faulty, call, ending, code, line):
    server, faults = faulty
    with server.client() as client:
        log = Log(server)
        with faults.armed(call, ending, code):
            expect(send(client, 1, "film"), 503, "retry", line)
        log.expect_one(os.strerror(code))
        assert held(client, "film") == []
        finish(server, client, "film", sent=4)


@pytest.mark.parametrize("restarted", [False, True], ids=["", "restarted"])
@pytest.mark.parametrize("call, ending, code, line", WHILE_FINISHING, ids=map(case, WHILE_FINISHING))
def test_a_fault_while_a_file_is_published_loses_nothing(faulty, call, ending, code, line, restarted):
    server, faults = faulty
    with server.client() as client:
        assert [send(client, number, "film").status for number in (1, 2, 3)] == [200, 200, 200]
        log = Log(server)
        # The record of the last chunk is written; publishing fails.
        passes = 1 if (call, ending) == ("pwrite", ".journal") else 0
        with faults.armed(call, ending, code, passes=passes):
            expect(send(client, 4, "film"), 503, "retry", line)
        log.expect_one(os.strerror(code))
        if restarted:
            server.stop_program()
            server.start_program()
        # Its record was written before the fault, so no chunk has to be sent.
        finish(server, client, "film", sent=0)
        assert server.finished_files() == ["film"]


@pytest.mark.parametrize("restarted", [False, True], ids=["", "restarted"])
@pytest.mark.parametrize("call, ending", [("fdatasync", ".data"), ("fdatasync", ".journal"), ("fsync", ".resumabled")])
def test_after_a_failed_sync_the_whole_upload_is_missing(faulty, call, ending, restarted):
    # The kernel drops data that it could not write and reports that once. A second sync would succeed wrongly.
    server, faults = faulty
    with server.client() as client:
        assert [send(client, number, "film").status for number in (1, 2, 3)] == [200, 200, 200]
        log = Log(server)
        with faults.armed(call, ending, errno.EIO):
            expect(send(client, 4, "film"), 415, "refused")
        log.expect_one(os.strerror(errno.EIO))
        assert server.finished_files() == []
        if restarted:
            server.stop_program()
            server.start_program()
        assert held(client, "film") == []
        assert server.finished_files() == []
        finish(server, client, "film", sent=4)


def test_with_durability_chunk_a_failed_sync_discards_all_held_chunks(tmp_path):
    faults = Faults(tmp_path)
    with (
        Server(tmp_path / "root", options=("--durability", "chunk"), environment=faults.environment) as server,
        server.client() as client,
    ):
        assert send(client, 1, "film").status == 200
        log = Log(server)
        with faults.armed("fdatasync", ".data", errno.EIO):
            expect(send(client, 2, "film"), 415, "refused")
        log.expect_one(os.strerror(errno.EIO))
        assert held(client, "film") == []
        finish(server, client, "film", sent=4)


def test_a_partial_write_is_continued(faulty):
    server, faults = faulty
    with server.client() as client:
        with faults.armed("pwrite", ".data", 0), faults.armed("pwrite", ".journal", 0, slot=1):
            finish(server, client, "film", sent=4)


def test_a_duplicate_chunk_loses_nothing_while_the_held_one_cannot_be_read(faulty):
    server, faults = faulty
    with server.client() as client:
        assert [send(client, number, "film").status for number in (1, 2)] == [200, 200]
        with faults.armed("pread", ".data", errno.EIO):
            expect(send(client, 1, "film"), 503, "retry", WAIT)
        assert held(client, "film") == [1, 2]
        finish(server, client, "film", sent=2)


def test_a_file_system_without_reservation_is_logged_once_and_uploads_succeed(faulty):
    server, faults = faulty
    with server.client() as client:
        log = Log(server)
        with faults.armed("fallocate", ".data", errno.EOPNOTSUPP):
            for name in ("one", "two", "three"):
                finish(server, client, name, sent=4)
        assert len(log.complaints()) == 1, log.complaints()


def test_a_lasting_fault_does_not_fill_the_log(faulty):
    server, faults = faulty
    with server.client() as client:
        assert send(client, 1, "film").status == 200
        log = Log(server)
        with faults.armed("pwrite", ".data", errno.ENOSPC):
            for _ in range(20):
                expect(send(client, 2, "film"), 503, "retry", NO_SPACE)
        # At most one line a request.
        assert 1 <= len(log.complaints()) <= 20
        finish(server, client, "film", sent=3)


# --- real faults


def test_a_file_without_enough_disk_space_is_refused_at_its_first_chunk(tmp_path):
    with disks.tmpfs(tmp_path / "disk", 6 * MIB) as disk, served(disk / "root", "--min-free", "0") as (server, client):
        fill(disk / "filler", leave=MIB)
        log = Log(server)
        expect(send(client, 1, "film"), 503, "retry", NO_SPACE)
        log.expect_one("less than the minimum of free space")
        assert held(client, "film") == []
        # An upload that could not begin takes no space.
        assert server.private_bytes() < 100_000
        (disk / "filler").unlink()
        finish(server, client, "film", sent=4)


def test_a_file_that_is_larger_than_the_disk_is_refused(tmp_path):
    with disks.tmpfs(tmp_path / "disk", MIB) as disk, served(disk / "root", "--min-free", "0") as (server, client):
        expect(send(client, 1, "film"), 415, "refused")
        assert server.private_bytes() < 100_000


def test_an_upload_on_a_full_disk_goes_on_within_its_reserved_step(tmp_path):
    """The step is 1 MiB here: three chunks and a part of the fourth."""
    with disks.tmpfs(tmp_path / "disk", 6 * MIB) as disk, served(disk / "root", "--min-free", "0") as (server, client):
        assert send(client, 1, "film").status == 200
        fill(disk / "filler")
        assert [send(client, number, "film").status for number in (2, 3)] == [200, 200]
        expect(send(client, 4, "film"), 503, "retry", NO_SPACE)
        (disk / "filler").unlink()
        finish(server, client, "film", sent=1)


def test_an_upload_waits_while_its_journal_cannot_grow(tmp_path):
    """A page of the journal has about 120 records. There is no space for a second page."""
    chunk_size = 2000
    data = random_bytes(400 * chunk_size)
    chunks = layout(len(data), chunk_size, False)

    def send_small(chunk):
        return client.send(fields_of(chunk, "many", data, chunk_size), data[chunk.start : chunk.end])

    with disks.tmpfs(tmp_path / "disk", 6 * MIB) as disk, served(disk / "root", "--min-free", "0") as (server, client):
        assert send_small(chunks[0]).status == 200
        fill(disk / "filler")
        log = Log(server)
        answers = []
        for chunk in chunks[1:]:
            answers.append(send_small(chunk))
            if answers[-1].status != 200:
                break
        expect(answers[-1], 503, "retry", NO_SPACE)
        log.expect_one(os.strerror(errno.ENOSPC))
        (disk / "filler").unlink()
        answers = client.upload(data, filename="many", identifier="id many", chunk_size=chunk_size)
        assert {answer.status for answer in answers} == {200}
        assert (server.root / "many").read_bytes() == data


def test_min_free_is_kept_free(tmp_path):
    with disks.tmpfs(tmp_path / "disk", 6 * MIB) as disk, served(disk / "root", "--min-free", "5M") as (server, client):
        log = Log(server)
        expect(send(client, 1, "film"), 503, "retry", NO_SPACE)
        assert len(log.complaints()) == 1
        small = DATA[:1000]
        answers = client.upload(small, filename="small", identifier="small", chunk_size=1000)
        assert [answer.status for answer in answers] == [200]
        space = os.statvfs(disk)
        assert space.f_bavail * space.f_frsize > 4 * MIB
        as_root("mount", "-o", f"remount,size={12 * MIB}", disk)
        finish(server, client, "film", sent=4)


def test_min_free_is_kept_free_for_uploads_without_sizes(tmp_path):
    """Without sizes nothing can be reserved, so the free space is checked for each chunk."""

    def send_bare(number: int):
        fields = {"resumableIdentifier": "bare", "resumableFilename": "bare", "resumableChunkNumber": str(number),
                  "resumableTotalChunks": "20"}
        return client.send(fields, DATA[:CHUNK])

    with disks.tmpfs(tmp_path / "disk", 6 * MIB) as disk, served(disk / "root", "--min-free", "4M") as (server, client):
        answers = [send_bare(number) for number in range(1, 11)]
        assert answers[0].status == 200
        expect(answers[-1], 503, "retry", NO_SPACE)
        space = os.statvfs(disk)
        assert space.f_bavail * space.f_frsize >= 4 * MIB


def test_files_that_are_only_declared_leave_space_for_others(tmp_path):
    declared = 100 * MIB
    data = random_bytes(8 * MIB, seed=11)
    with (
        disks.image(tmp_path / "disk", "ext4", 160 * MIB) as disk,
        served(disk / "root", "--min-free", "4M") as (server, client),
    ):
        for number in range(20):
            chunk = layout(declared, 1024, False)[0]
            name = f"declared {number}"
            fields = parameters(chunk, identifier=name, filename=name, size=declared, chunk_size=1024)
            assert client.send(fields, data[:1024]).status == 200
        answers = client.upload(data, filename="honest", identifier="honest", chunk_size=MIB)
        assert [answer.status for answer in answers] == [200] * 8
        assert (server.root / "honest").read_bytes() == data


def test_an_upload_waits_while_a_quota_is_exceeded(tmp_path):
    """With btrfs, whose quotas every kernel with btrfs supports. ext4's need a build option."""
    with disks.image(tmp_path / "disk", "btrfs", 256 * MIB) as disk:
        as_root("btrfs", "quota", "enable", disk)
        as_root("btrfs", "qgroup", "limit", "1M", disk)
        with served(disk / "root", "--min-free", "0") as (server, client):
            log = Log(server)
            expect(send(client, 1, "film"), 503, "retry", NO_SPACE)
            log.expect_one(os.strerror(errno.EDQUOT))
            as_root("btrfs", "qgroup", "limit", "none", disk)
            finish(server, client, "film", sent=4)


@pytest.mark.parametrize("early", [False, True], ids=["at the sync", "before the sync"])
def test_a_disk_that_loses_writes_never_makes_a_file_complete(tmp_path, early):
    """A volume with less space than it promises: writes succeed, and fail later when the kernel carries them out.

    Data that ext4 could not write into a new block reads as zeros for ever, even if it is written and synced again
    without an error. Only a new file is safe.
    """
    options = ["-b", "4096", "-O", "^has_journal", "-N", "128", "-E", "lazy_itable_init=0"]
    with (
        disks.tmpfs(tmp_path / "medium", 4 * MIB) as medium,
        disks.image(tmp_path / "disk", "ext4", 64 * MIB, *options, file=medium / "image") as disk,
        served(disk / "root", "--min-free", "0") as (server, client),
    ):
        assert [send(client, number, "film").status for number in (1, 2)] == [200, 200]
        subprocess.run(["sync", "-f", disk], check=True)
        # The limit is on a block's edge and chunks are whole blocks: a loop device reports a partial write as a whole
        # one.
        fill(medium / "filler")
        assert send(client, 3, "film").status == 200
        if early:
            # The kernel has noticed the loss before the program syncs.
            assert subprocess.run(["sync", "-f", disk], stderr=subprocess.DEVNULL).returncode != 0
        log = Log(server)
        expect(send(client, 4, "film"), 415, "refused")
        log.expect_one("cannot sync")
        assert server.finished_files() == [] and held(client, "film") == []
        (medium / "filler").unlink()
        finish(server, client, "film", sent=4)
        assert read_from_disk(server.root / "film") == DATA


@pytest.mark.parametrize("healed", [True, False], ids=["healed", "still failing"])
@pytest.mark.parametrize("durability", ["file", "chunk"])
def test_a_process_that_is_killed_in_a_failing_sync_leaves_no_file_of_zeros(tmp_path, durability, healed):
    """As above, but the program is killed before it learns that the sync has failed. The next process finds bytes in
    the kernel's cache, and a sync that succeeds without writing them."""
    faults = Faults(tmp_path)
    options = ["-b", "4096", "-O", "^has_journal", "-N", "128", "-E", "lazy_itable_init=0"]
    with (
        disks.tmpfs(tmp_path / "medium", 4 * MIB) as medium,
        disks.image(tmp_path / "disk", "ext4", 64 * MIB, *options, file=medium / "image") as disk,
        Server(
            disk / "root", options=("--min-free", "0", "--durability", durability), environment=faults.environment
        ) as server,
        server.client() as client,
    ):
        assert [send(client, number, "film").status for number in (1, 2)] == [200, 200]
        subprocess.run(["sync", "-f", disk], check=True)
        fill(medium / "filler")
        last = 3 if durability == "chunk" else 4
        if last == 4:
            assert send(client, 3, "film").status == 200
        with faults.armed("fdatasync", ".data", DEATH):
            assert send(client, last, "film").status in (502, 503)
        assert server.program.wait(5) == -signal.SIGKILL
        if healed:
            (medium / "filler").unlink()
        server.start_program()
        if not healed:
            for number in (1, 2, 3, 4):
                send(client, number, "film")
            assert server.finished_files() == []
            (medium / "filler").unlink()
        client.upload(DATA, filename="film", identifier="id film", chunk_size=CHUNK)
        assert server.finished_files() == ["film"]
        assert read_from_disk(server.root / "film") == DATA


def test_uploads_wait_while_the_file_system_is_read_only(tmp_path):
    with disks.image(tmp_path / "disk", "ext4", 32 * MIB) as disk, served(disk / "root", "--min-free", "0") as parts:
        server, client = parts
        assert [send(client, number, "film").status for number in (1, 2)] == [200, 200]
        # The kernel refuses to make a file system read-only while a file is open for writing.
        server.stop_program()
        as_root("mount", "-o", "remount,ro", disk)
        server.start_program()
        log = Log(server)
        expect(send(client, 3, "film"), 503, "retry", WAIT)
        expect(send(client, 1, "another"), 503, "retry", WAIT)
        complaints = log.complaints()
        assert len(complaints) == 2 and all(os.strerror(errno.EROFS) in each for each in complaints), complaints
        as_root("mount", "-o", "remount,rw", disk)
        assert held(client, "film") == [1, 2]
        finish(server, client, "film", sent=2)
        finish(server, client, "another", sent=4)


def test_a_request_gets_retry_while_there_are_no_descriptors(server, client):
    assert [send(client, number, "film").status for number in (1, 2)] == [200, 200]
    pid = server.program.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    # The lowest free number and one more: the connection is accepted, and no further file can be opened.
    numbers = {int(each.name) for each in pathlib.Path(f"/proc/{pid}/fd").iterdir()}
    free = min(set(range(len(numbers) + 1)) - numbers)
    log = Log(server)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free + 1, before[1]))
    try:
        expect(send(client, 1, "another"), 503, "retry", WAIT)
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    log.expect_one(os.strerror(errno.EMFILE))
    assert held(client, "film") == [1, 2]
    finish(server, client, "film", sent=2)
    finish(server, client, "another", sent=4)
