"""The same requests to the Flask backend and to resumabled. Statuses, bodies and files are equal, except for the
deliberate differences in flask_differences.py.

Theory of operation: Hypothesis generates sequences of requests, valid and odd ones, about files that share names and
identifiers. Each request goes to both servers over HTTP. Where the list has a difference, Flask's folder is then put
into the state that our answer means: a chunk that resumabled refuses is removed, and a file that Flask appended to
another becomes a file of its own. So both continue from the same state. After every request the finished files must be
equal, name for name and byte for byte. The sequences are the same in each run. EXAMPLES=5000 generates as many new
ones.

A first test goes through chosen requests: each difference on the list has to occur on its own in these.
"""

import collections
import dataclasses
import json
import os
import pathlib
import re

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from support.client import Chunk, layout, parameters, random_bytes
from support.flask_differences import DIFFERENCES, ERROR_PAGE, LARGEST_FILE, Request, World, is_last, is_path, is_test_of_empty_file, is_too_long_for_flask, size
from support.flask_server import Flask
from support.server import Server

settings.register_profile(
    "short",
    derandomize=True,
    max_examples=150,
    stateful_step_count=30,
    deadline=None,
    database=None,
    # One failure is enough: shrinking the sequences of several takes minutes.
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile(
    "long", parent=settings.get_profile("short"), derandomize=False, max_examples=int(os.environ.get("EXAMPLES", 1000))
)

# Some are listed twice, so that they occur more often.
IDENTIFIERS = ["one", "two", "one", "two", "标识", "folder/sub", ".", "..", "../up", "i" * 300, "resized", "resized"]
FILENAMES = ["film.mp4", "film", "film.mp4", "film", "影片.mp4", '"100%" + &.bin', "caf\u00e9.txt", "cafe\u0301.txt", "n" * 239, "n" * 248]
#: Limits that Flask does not have.
UNLIMITED = {"RESUMABLED_MAX_UPLOADS": "0", "RESUMABLED_MAX_UPLOADS_PER_CLIENT": "0"}
#: For each parameter, invalid values; None omits the parameter.
ODD = {
    "resumableIdentifier": [None, "", "a\0b", b"\xff\xfe", "i" * 1025],
    "resumableFilename": [
        None, "", ".", "..", "../up.bin", "sub/x.bin", b"\xc3\x28", "n" * 4097,
    ],
    "resumableChunkNumber": [
        None, "", "0", "-1", "one", "1.5", " 1", "+1", "1_0", "\uff11", "007", "9" * 30, str(2**31), "99",
    ],
    # No value as large as the others: Flask makes a list of this length until the memory is exhausted.
    "resumableTotalChunks": [None, "", "0", "-1", "two", "1.5", "+2", "2_0", "\uff12", "99"],
    "resumableTotalSize": [None, "", "-1", "large", "9" * 30, str(LARGEST_FILE + 1), str(2**63 - 1)],
    "resumableChunkSize": [None, "", "0", "-1", "x", str(2**40 + 1)],
    "resumableCurrentChunkSize": [None, "", "-1", "x", "77", "9" * 30],
    "upload_token": ["", "a token"],
    "title": ["", "Urlaub \u2603 ../.."],
}  # fmt: skip
EACH_CHANGE = [(name, value) for name, values in ODD.items() for value in values]
CHANGES = st.sampled_from(EACH_CHANGE)


#: Other ways to send a chunk, and other methods.
SHAPES = [
    "no file", "other part", "lone field", "two files", "in the query", "octets", "form", "PUT", "PATCH", "DELETE",
    "OPTIONS",
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Plan:
    """A file that a client uploads, and how."""

    identifier: str
    filename: str
    data: bytes
    chunk_size: int
    force: bool
    sized: bool

    @property
    def upload(self) -> tuple[str, str]:
        return self.identifier, self.filename

    @property
    def chunks(self) -> list[Chunk]:
        return layout(len(self.data), self.chunk_size, self.force)

    def fields(self, chunk: Chunk) -> dict[str, str | bytes]:
        fields = parameters(
            chunk,
            identifier=self.identifier,
            filename=self.filename,
            size=len(self.data),
            chunk_size=self.chunk_size,
            resumableRelativePath=None,
            resumableType=None,
        )
        if self.sized:
            return fields
        return {name: value for name, value in fields.items() if "Size" not in name}

    def content(self, chunk: Chunk) -> bytes:
        return self.data[chunk.start : chunk.end]


@dataclasses.dataclass
class Finished:
    """A finished upload, as our server remembers it."""

    content: bytes
    #: The size of all chunks but the last, if it is known.
    chunk_size: int | None
    #: The chunks that were sent again since, by number.
    confirmed: dict[int, bytes] = dataclasses.field(default_factory=dict)

    def range(self, request: Request) -> tuple[int, int] | None:
        """Where a chunk lies in the file; None if the file has no such chunk."""
        if not request.number:
            return None
        if request.sizes:
            start = (request.number - 1) * request.sizes[1]
            return start, start + len(request.content)
        chunk_size = self.chunk_size or len(self.content)
        start = (request.number - 1) * chunk_size
        end = len(self.content) if is_last(request) else start + chunk_size
        return (start, end) if end <= len(self.content) and (start < end or request.number == 1) else None

    def has(self, request: Request) -> bool:
        """True if the chunk is the same in the file."""
        place = self.range(request)
        return place is not None and self.content[slice(*place)] == request.content

    def is_cut_alike(self, request: Request) -> bool:
        """False if a chunk without sizes shows that its file has another chunk size."""
        if not self.chunk_size or request.sizes:
            return True
        length = len(request.content)
        if is_last(request):
            return request.number == 1 or length < 2 * self.chunk_size
        return length == self.chunk_size

    def passed_on(self, request: Request) -> dict[int, bytes]:
        """The chunks that a new upload has in the beginning, which this chunk with other bytes begins. Chunks behind it
        may also have been duplicates of the first file, so they are sent once more."""
        place = self.range(request)
        if place is None or not self.is_cut_alike(request):
            return {}
        return {number: content for number, content in self.confirmed.items() if number < request.number}


def numbered(name: str, taken) -> str:
    """`name (1).ext` for a name that is taken, or the next free number (`--on-conflict`)."""
    path = pathlib.PurePath(name)
    number = 1
    while (other := f"{path.stem} ({number}){path.suffix}") in taken:
        number += 1
    return other


def contents(folder: pathlib.Path) -> dict[str, bytes | None]:
    """Everything below a folder, by path; None for folders."""
    paths = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in paths}


def put_back(folder: pathlib.Path, wanted: dict[str, bytes | None]) -> None:
    """Restores a folder to that content."""
    there = contents(folder)
    for path in reversed(there):
        if path not in wanted:
            (folder / path).rmdir() if there[path] is None else (folder / path).unlink()
    for path, content in wanted.items():
        if content is None:
            (folder / path).mkdir(exist_ok=True)
        elif there.get(path) != content:
            (folder / path).write_bytes(content)


class Pair:
    """Both servers, and the counts of what was seen."""

    def __init__(self, sandbox: pathlib.Path, server: Server, flask_client):
        #: Flask's root is in this folder, so that writes outside of the root are seen.
        self.sandbox = sandbox
        self.root = sandbox / "root"
        self.server = server
        self.ours = server.client()
        self.flask = flask_client
        self.seen = collections.Counter()
        self.sequences = 0
        self.requests = 0


PAIR: Pair


class BothServers(RuleBasedStateMachine):
    plans = Bundle("plans")

    def __init__(self):
        super().__init__()
        PAIR.sequences += 1
        #: A prefix for every name, because our server remembers the uploads of earlier sequences.
        self.prefix = f"{PAIR.sequences:06d}-"
        self.known: dict[tuple, Plan] = {}
        self.world = World(
            self.parts, self.is_shared, lambda filename: filename in self.finished_by_flask(),
            lambda request: self.finals[request.upload].has(request))
        #: The finished uploads.
        self.finals: dict[tuple[str, str], Finished] = {}
        #: Files that Flask could not make.
        self.only_ours: set[str] = set()
        #: The files that were finished before under an upload's identity.
        self.earlier: dict[tuple[str, str], list[bytes]] = {}
        #: The uploads that our server has begun and not finished.
        self.recorded: set[tuple[str, str]] = set()

    def teardown(self):
        try:
            for plan in self.known.values():
                for chunk in plan.chunks:
                    self.exchange(plan, Request("GET", tuple(plan.fields(chunk).items()), in_query=True))
        finally:
            put_back(PAIR.sandbox, {"root": None})
            for name in PAIR.server.finished_files():
                (PAIR.server.root / name).unlink()

    # --- actions of clients

    @rule(
        target=plans,
        identifier=st.sampled_from(IDENTIFIERS),
        filename=st.sampled_from(FILENAMES),
        length=st.just(0) | st.integers(0, 20),
        chunk_size=st.integers(2, 6),
        force=st.booleans(),
        sized=st.booleans(),
        seed=st.integers(0, 99),
    )
    def plan(self, identifier, filename, length, chunk_size, force, sized, seed):
        if identifier == "resized" and size(filename) < 99:
            filename = "resized.txt"
        filename = self.prefix + filename
        if is_too_long_for_flask(identifier, filename):
            # Only one upload has the name: Flask does not tell uploads apart as resumabled does.
            filename = filename[:-1] + "abcdefghijklm"[IDENTIFIERS.index(identifier)]
        plan = Plan(
            identifier=identifier,
            filename=filename,
            data=random_bytes(length, seed),
            # Uploads with long names state all sizes: Flask fails at them, so it is no reference for the rest.
            chunk_size=max(chunk_size, length) if is_too_long_for_flask(identifier, filename) else chunk_size,
            force=force,
            sized=sized or identifier == "resized",
        )
        if identifier == "resized" and not is_too_long_for_flask(*plan.upload):
            return self.known.setdefault((*plan.upload, length), plan)
        # Other tests cover the same file cut in another way: Flask cannot resume that.
        return self.known.setdefault(plan.upload, plan)

    @rule(plan=plans, which=st.integers(0, 9))
    def send(self, plan, which):
        chunk = plan.chunks[which % len(plan.chunks)]
        self.exchange(plan, Request("POST", tuple(plan.fields(chunk).items()), (plan.content(chunk),)))

    @rule(plan=plans, order=st.randoms(use_true_random=False), left_out=st.integers(0, 3))
    def send_nearly_all(self, plan, order, left_out):
        for chunk in order.sample(plan.chunks, max(len(plan.chunks) - left_out, 1)):
            self.exchange(plan, Request("POST", tuple(plan.fields(chunk).items()), (plan.content(chunk),)))
            self.the_finished_files_are_the_same()

    @rule(plan=plans, which=st.integers(0, 9), method=st.sampled_from(["GET", "HEAD"]))
    def test(self, plan, which, method):
        chunk = plan.chunks[which % len(plan.chunks)]
        self.exchange(plan, Request(method, tuple(plan.fields(chunk).items()), in_query=True))

    @rule(plan=plans, which=st.integers(0, 9), content=st.just(b"") | st.binary(max_size=14))
    def send_other_bytes(self, plan, which, content):
        chunk = plan.chunks[which % len(plan.chunks)]
        self.exchange(plan, Request("POST", tuple(plan.fields(chunk).items()), (content,)))

    @rule(plan=plans, which=st.integers(0, 9), change=CHANGES, other=st.none() | CHANGES, repeat=st.booleans())
    def send_odd_parameters(self, plan, which, change, other, repeat):
        chunk = plan.chunks[which % len(plan.chunks)]
        fields = self.odd_fields(plan, chunk, change, other, repeat)
        self.exchange(plan, Request("POST", fields, (plan.content(chunk),)))

    @rule(plan=plans, which=st.integers(0, 9), change=CHANGES, other=st.none() | CHANGES, repeat=st.booleans())
    def test_odd_parameters(self, plan, which, change, other, repeat):
        chunk = plan.chunks[which % len(plan.chunks)]
        self.exchange(plan, Request("GET", self.odd_fields(plan, chunk, change, other, repeat), in_query=True))

    @staticmethod
    def odd_fields(plan, chunk, change, other, repeat) -> tuple:
        """A plan's parameters with one or two of them changed. `repeat`: the right ones precede them."""
        changes = [change] if other is None else [change, other]
        fields = list(plan.fields(chunk).items())
        for name, value in changes:
            # A parameter that makes it another valid file for one side, or leaves the chunk open, cannot be compared.
            if name == "resumableTotalChunks" and value == "99" and not plan.sized:
                continue
            if name in ("resumableTotalSize", "resumableChunkSize") and value is None and plan.identifier == "resized":
                continue
            both = {"resumableTotalChunks", "resumableCurrentChunkSize"}
            if name in both and {each for each, _ in changes} == both:
                continue
            if value is None or not repeat:
                fields = [field for field in fields if field[0] != name]
            if value is not None:
                fields.append((name, value))
        return tuple(fields)

    @rule(
        plan=plans,
        which=st.integers(0, 9),
        shape=st.sampled_from(SHAPES),
    )
    def send_in_another_shape(self, plan, which, shape):
        chunk = plan.chunks[which % len(plan.chunks)]
        fields = tuple(plan.fields(chunk).items())
        post = Request("POST", fields, (plan.content(chunk),))
        change = dataclasses.replace
        self.exchange(
            plan,
            {
                "no file": change(post, files=()),
                "other part": change(post, part="upload"),
                "lone field": change(post, files=(), fields=(*fields, ("file", plan.content(chunk)))),
                "two files": change(post, files=(plan.content(chunk), b"more")),
                "in the query": change(post, in_query=True),
                "octets": change(post, in_query=True, content_type="application/octet-stream"),
                "form": change(post, in_query=True, content_type="application/x-www-form-urlencoded"),
            }.get(shape)
            or change(post, method=shape, in_query=shape in ("DELETE", "OPTIONS")),
        )

    def try_each_oddity(self) -> None:
        """Tries each change of a parameter once, in a test and in a chunk, with and without sizes, for a file that has
        begun; each shape; and the cases that need several files."""
        for number, change in enumerate(EACH_CHANGE * 2):
            name = f"{self.prefix}{number}.bin"
            plan = Plan(f"each {number}", name, random_bytes(20), 6, force=True, sized=number < len(EACH_CHANGE))
            self.send(plan, 0)
            self.test_odd_parameters(plan, 1, change, None, False)
            self.send_odd_parameters(plan, 1, change, None, False)
            self.send_odd_parameters(plan, 1, ("title", "one"), ("title", "another"), True)
            self.send_odd_parameters(plan, 1, ("upload_token", "one"), ("upload_token", "another"), True)
            self.send_other_bytes(plan, 2, b"other")
            self.the_finished_files_are_the_same()
        for shape in SHAPES:
            plan = Plan(f"each {shape}", f"{self.prefix}{shape}", random_bytes(20), 6, force=True, sized=True)
            self.send_in_another_shape(plan, 0, shape)
            self.the_finished_files_are_the_same()
        # An empty file is begun by a refused chunk if its name is taken; else nothing is known of it.
        self.send(Plan("other", f"{self.prefix}taken", random_bytes(6), 6, force=True, sized=True), 0)
        for name in ("empty", "taken"):
            empty = Plan("each", f"{self.prefix}{name}", b"", 6, force=True, sized=True)
            self.send_other_bytes(empty, 0, b"other")
            self.test(empty, 0, "GET")
            self.the_finished_files_are_the_same()
        self.send(Plan("../up", f"{self.prefix}up", random_bytes(20), 6, force=True, sized=True), 0)
        self.send(Plan("i" * 300, f"{self.prefix}long", random_bytes(20), 20, force=True, sized=True), 0)
        for length in (20, 14):
            self.send(Plan("resized", f"{self.prefix}resized", random_bytes(length), 6, force=True, sized=True), 0)
        for sized in (True, False):
            plan = Plan("finished", f"{self.prefix}finished {sized}", random_bytes(20), 6, force=True, sized=sized)
            for number in (0, 1, 2):
                self.send(plan, number)
            # It is not the last chunk.
            self.send_other_bytes(plan, 2, b"")
            self.send(plan, 2)
            self.send(plan, 3)
            self.the_finished_files_are_the_same()
            self.test(plan, 1, "GET")
            # A late duplicate, and another file.
            self.send(plan, 0)
            self.the_finished_files_are_the_same()
            self.send_other_bytes(plan, 2, b"other!")
            for number in (0, 1, 3):
                self.test(plan, number, "GET")
                self.send(plan, number)
            self.the_finished_files_are_the_same()
        # The same name under another identifier, and other names under the same identifier.
        for identifier, name, count in [
            ("first", "name", 4), ("second", "other name", 1), ("second", "third name", 4), ("second", "name", 4),
            ("third", "name", 4),
        ]:
            plan = Plan(identifier, self.prefix + name, random_bytes(20), 6, force=True, sized=True)
            for number in range(count):
                self.send(plan, number)
            self.the_finished_files_are_the_same()

    # --- the answers of both

    def exchange(self, plan: Plan, request: Request) -> None:
        """Sends a request to both, and compares the answers."""
        expected = [difference for difference in DIFFERENCES if difference.applies(request, self.world)]
        is_over = self.world.is_over(request)
        is_other = request.is_upload and is_over and not self.finals[request.upload].has(request)
        # Flask has no such file, so nothing tells the number of the next one.
        if is_other and is_too_long_for_flask(*request.upload):
            return
        is_another_file = is_other and all(difference.ours == 200 for difference in expected)
        PAIR.requests += 1
        chunk_size = self.chunk_size(request)
        before = contents(PAIR.sandbox)
        flask = request.send(PAIR.flask)
        ours = request.send(PAIR.ours)
        self.compare_answers(request, expected, flask, ours)

        after = contents(PAIR.sandbox)
        has_effect = False
        if not request.is_upload:
            assert after == before
            if ours.status == 200 and is_test_of_empty_file(request, self.world):
                self.finished(request.upload, b"", chunk_size)
        elif ours.status != 200 or is_over and not is_another_file:
            put_back(PAIR.sandbox, before)
            has_effect = after != before
            if ours.status == 200:
                self.finals[request.upload].confirmed[request.number] = request.content
            elif request.sizes and all(each.begins for each in expected if each.ours != 200):
                if not is_over:
                    if self.is_recorded(request):
                        self.begun(request)
                        self.forget_what_was_lost(plan, request)
                elif self.has_begun_anew(request):
                    self.begin_anew(request)
        else:
            if is_another_file:
                put_back(PAIR.sandbox, before)
                self.begin_anew(request)
                before = contents(PAIR.sandbox)
            if is_another_file or any(difference.translate for difference in expected):
                put_back(PAIR.sandbox, before)
                is_understood = not any(difference.translate for difference in expected)
                (request if is_understood else self.translated(plan, request)).send(PAIR.flask)
                after = contents(PAIR.sandbox)
            has_effect = self.took(request, before, after, chunk_size) or is_another_file
        if len(expected) == 1 and (flask.status != ours.status or has_effect):
            PAIR.seen[expected[0].name] += 1

    def compare_answers(self, request, expected, flask, ours) -> None:
        what = f"{request}\nFlask: {flask.status} {flask.body!r}\nours: {ours.status} {ours.body!r}"
        if not expected:
            assert ours.status == flask.status, what
        else:
            names = "; ".join(difference.name for difference in expected)
            refusals = {difference.ours for difference in expected if difference.ours != 200}
            assert ours.status in (refusals or {200}), f"{what}\nfor: {names}"
            assert flask.status in set.union(*(difference.flask for difference in expected)), f"{what}\nfor: {names}"
        if request.method == "HEAD":
            assert ours.body == flask.body == b"", what
        elif ours.status == 200:
            assert ours.body == b"OK" and (flask.status != 200 or flask.body == b"OK"), what
        elif ours.status != 204:
            # Flask sends a page with a title. resumabled sends one line for the user.
            assert ours.headers["Content-Type"] == "text/plain; charset=utf-8", what
            assert re.fullmatch(r"[^\n<>]{4,200}", ours.body.decode()), what
            if ours.status == flask.status == 404:
                assert ERROR_PAGE.search(flask.body.decode())[1] == ours.body.decode(), what

    def translated(self, plan: Plan, request: Request) -> Request:
        fields = {
            "resumableIdentifier": plan.identifier,
            "resumableFilename": plan.filename,
            "resumableChunkNumber": str(request.number),
            "resumableTotalChunks": str(len(plan.chunks)),
        }
        return Request("POST", tuple(fields.items()), (request.content,))

    def chunk_size(self, request: Request) -> int | None:
        """The size of the upload's chunks but the last, if it is known once this request is answered."""
        if request.sizes:
            return request.sizes[1]
        if request.is_upload and request.count and not is_last(request):
            return len(request.content)
        return next(iter(self.world.siblings(request)), None)

    def is_recorded(self, request: Request) -> bool:
        """Whether a refused chunk has begun its upload. Nothing is known of a file in one chunk before it is complete,
        unless the upload has begun already, or its name is taken."""
        is_whole = request.settled_lengths == [request.sizes[0]]
        is_taken = request.filename in self.finished_by_flask() or request.filename in self.only_ours
        return not is_whole or is_taken or request.upload in self.recorded

    def has_begun_anew(self, request: Request) -> bool:
        """Whether a refused chunk of a finished file has begun another file: our server compares the bytes while they
        arrive, so that depends on how they arrive."""
        answer = PAIR.ours.test(request.fields, headers={"Accept": "application/json"})
        if json.loads(answer.body)["complete"]:
            return False
        start, end = self.finals[request.upload].range(request)
        held = self.finals[request.upload].content[start:end]
        assert held != request.content[: len(held)], "the same bytes have begun another file"
        return True

    def begin_anew(self, request: Request) -> None:
        """Begins the upload of another file, with the chunks that were the same so far."""
        identifier, filename = request.upload
        final = self.finals.pop(request.upload)
        passed_on = final.passed_on(request)
        self.earlier.setdefault(request.upload, []).append(final.content)
        self.begun(request)
        if final.chunk_size and not request.sizes and final.is_cut_alike(request):
            self.world.inherited[request.upload] = final.chunk_size
        for number, content in passed_on.items():
            folder = PAIR.root / identifier
            folder.mkdir(exist_ok=True)
            (folder / f"{filename}_part_{number:03d}").write_bytes(content)

    def took(self, request: Request, before: dict, after: dict, chunk_size: int | None) -> bool:
        """Records the chunks that both have stored. Returns whether Flask's folder had to be corrected."""
        upload = (identifier, filename) = request.upload
        self.begun(request)
        if is_too_long_for_flask(identifier, filename):
            # Flask has made the folder, and fails at the file.
            put_back(PAIR.sandbox, before)
            self.ended(upload)
            self.world.finished[upload] = len(request.content)
            self.finals[upload] = Finished(request.content, chunk_size)
            self.only_ours.add(filename)
            return False

        def outside(files):
            return {path: content for path, content in files.items() if not path.startswith("root")}

        has_left = outside(after) != outside(before)
        assert not has_left or is_path(identifier), "Flask wrote outside its folder"
        if request.number in self.parts(identifier, filename):
            return has_left
        # The file is complete.
        former = before.get(f"root/{filename}")
        content = after[f"root/{filename}"]
        (PAIR.root / filename).unlink()
        if former is not None:
            assert content.startswith(former)
            content = content[len(former) :]
            (PAIR.root / filename).write_bytes(former)
        self.finished(upload, content, chunk_size)
        return has_left or former is not None

    def finished(self, upload: tuple[str, str], content: bytes, chunk_size: int | None) -> None:
        """Records a complete file under its name, or under the next free one."""
        filename = upload[1]
        taken = self.finished_by_flask()
        name = numbered(filename, taken) if filename in taken else filename
        # An upload may turn out to be an earlier file, and then there is no second one.
        if content not in self.earlier.get(upload, []) or name in PAIR.server.finished_files():
            (PAIR.root / name).write_bytes(content)
        self.world.finished[upload] = len(content)
        self.finals[upload] = Finished(content, chunk_size)
        self.ended(upload)

    def ended(self, upload: tuple[str, str]) -> None:
        """Forgets what was known of an unfinished upload."""
        self.world.begun.pop(upload, None)
        self.world.inherited.pop(upload, None)
        self.recorded.discard(upload)

    def begun(self, request: Request) -> None:
        """Records that the upload has begun. A finished one of another size is forgotten."""
        self.world.finished.pop(request.upload, None)
        self.recorded.add(request.upload)
        if request.sizes:
            self.world.begun[request.upload] = request.sizes[0]

    def forget_what_was_lost(self, plan: Plan, request: Request) -> None:
        """Handles other bytes for a held chunk that were refused in the middle: the chunk has neither the old nor the
        new bytes, and has to be missing. Flask's part is removed, too."""
        part = PAIR.root / plan.identifier / f"{plan.filename}_part_{request.number or 0:03d}"
        if request.upload != plan.upload or is_too_long_for_flask(*plan.upload):
            return
        if not part.is_file() or PAIR.ours.test(request.fields).status != 404:
            return
        held = part.read_bytes()
        common = min(len(held), len(request.content))
        assert held[:common] != request.content[:common], "a chunk was lost, although no other bytes replaced it"
        part.unlink()

    # --- the files

    @staticmethod
    def files_of(identifier: str) -> list[pathlib.Path]:
        """The files in Flask's folder of that identifier; none if it cannot have a folder."""
        if "\0" in identifier or size(identifier) > 255 or not (PAIR.root / identifier).is_dir():
            return []
        return list((PAIR.root / identifier).iterdir())

    def parts(self, identifier: str, filename: str) -> dict[int, int]:
        prefix = filename + "_part_"
        files = [path for path in self.files_of(identifier) if path.name.startswith(prefix)]
        return {int(path.name.removeprefix(prefix)): path.stat().st_size for path in files}

    def is_shared(self, identifier: str, filename: str) -> bool:
        return any(not path.name.startswith(filename + "_part_") for path in self.files_of(identifier))

    def finished_by_flask(self) -> dict[str, bytes]:
        return {
            path.name: path.read_bytes()
            for path in PAIR.root.iterdir()
            if path.is_file() and not re.search(r"_part_\d+$", path.name)
        }

    @invariant()
    def the_finished_files_are_the_same(self):
        root = PAIR.server.root
        # Duplicates behind the first difference count after a minute, so a file of an earlier sequence may appear now.
        names = [name for name in PAIR.server.finished_files() if not re.match(r"\d{6}-", name) or name >= self.prefix]
        ours = {name: (root / name).read_bytes() for name in names}
        assert self.only_ours <= set(ours)
        assert {name: data for name, data in ours.items() if name not in self.only_ours} == self.finished_by_flask()
        # Whatever the requests were.
        assert [path.name for path in root.parent.iterdir()] == [root.name]


@pytest.fixture
def pair(tmp_path):
    global PAIR
    (tmp_path / "flask").mkdir()
    (tmp_path / "ours").mkdir()
    with Flask(tmp_path / "flask/root") as flask, Server(tmp_path / "ours/root", environment=UNLIMITED) as server:
        PAIR = Pair(tmp_path / "flask", server, flask)
        yield PAIR
        PAIR.ours.connection.close()


def test_each_listed_difference_occurs(pair):
    once = BothServers()
    once.try_each_oddity()
    once.teardown()
    for difference in DIFFERENCES:
        print(f"{pair.seen[difference.name]:8} {difference.name}")
    assert [each.name for each in DIFFERENCES if not pair.seen[each.name]] == [], "listed, but never seen"


def test_both_answer_the_same_but_for_the_listed_differences(pair):
    profile = settings.get_profile("long" if "EXAMPLES" in os.environ else "short")
    run_state_machine_as_test(BothServers, settings=profile)
    print(f"{pair.sequences} sequences of {pair.requests} requests to each of the two")
    for difference in DIFFERENCES:
        print(f"{pair.seen[difference.name]:8} {difference.name}")
