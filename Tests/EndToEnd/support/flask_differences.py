"""The deliberate differences between resumabled and the Flask backend, with their reasons, in one list: DIFFERENCES.

Each entry selects requests by the request itself and by earlier requests, never by an answer, and states the answers of
both sides. Requests that no entry selects must get the same answer from both sides. The rules are those of
Sources/PROTOCOL.md, written a second time here: no code comes from the program.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping

from support.client import Answer, Client, query

#: The default of `--max-file-size`, as documented.
LARGEST_FILE = 1 << 40
#: The parameters that every upload needs are the first two; a test needs the third as well.
NEEDED = ["resumableIdentifier", "resumableFilename", "resumableChunkNumber"]
NUMBERS = {
    "resumableTotalChunks": (0, 2**31 - 1),
    "resumableTotalSize": (0, 2**63 - 1),
    "resumableChunkSize": (1, 2**40),
    "resumableCurrentChunkSize": (0, 2**41),
}


@dataclasses.dataclass(frozen=True)
class Request:
    """One request to the upload route, sent to both sides."""

    method: str
    fields: tuple[tuple[str, str | bytes], ...]
    #: The contents of the form's file parts. Their name is `part`.
    files: tuple[bytes, ...] = ()
    part: str = "file"
    #: Whether the parameters are in the query string, as in a test, or in the form.
    in_query: bool = False
    #: The type of a body that is not a form.
    content_type: str | None = None

    def send(self, client: Client) -> Answer:
        target = f"{client.route}?{query(self.fields)}" if self.in_query else client.route
        if not self.is_upload:
            return client.request(self.method, target)
        if self.content_type:
            return client.request(self.method, target, self.files[0], {"Content-Type": self.content_type})
        first, *others = self.files or [None]
        fields = () if self.in_query else self.fields
        return client.send(fields, first, self.method, target, part=self.part, more_files=tuple(others))

    @property
    def is_test(self) -> bool:
        return self.method in ("GET", "HEAD")

    @property
    def is_upload(self) -> bool:
        return self.method in ("POST", "PUT", "PATCH")

    # --- the request's meaning (PROTOCOL.md, Parameters)

    @property
    def values(self) -> dict[str, str | bytes]:
        return dict(self.fields)

    @property
    def repeats(self) -> bool:
        # Metadata may have several values.
        return any(self.values[name] != value for name, value in self.fields if name != "title")

    def text(self, name: str) -> str | None:
        value = self.values.get(name)
        return value if isinstance(value, str) else None

    def is_valid(self, name: str, first: int, last: int) -> bool:
        """True if a parameter is missing, or is a whole number in decimal digits within the range."""
        value = self.values.get(name, "")
        if name not in self.values:
            return True
        return isinstance(value, str) and bool(re.fullmatch("[0-9]{1,20}", value)) and first <= int(value) <= last

    def integer(self, name: str) -> int | None:
        value = self.text(name)
        return int(value) if value is not None and re.fullmatch("[0-9]{1,20}", value) else None

    @property
    def identifier(self) -> str | None:
        return self.text("resumableIdentifier")

    @property
    def filename(self) -> str | None:
        return self.text("resumableFilename")

    @property
    def upload(self) -> tuple[str | None, str | None]:
        return self.identifier, self.filename

    @property
    def number(self) -> int | None:
        # A chunk may come without its number.
        if self.is_upload and "resumableChunkNumber" not in self.values:
            return 1
        return self.integer("resumableChunkNumber")

    @property
    def count(self) -> int | None:
        return self.integer("resumableTotalChunks")

    @property
    def sizes(self) -> tuple[int, int] | None:
        """The size of the file and of its chunks, if the request states both."""
        total, chunk = self.integer("resumableTotalSize"), self.integer("resumableChunkSize")
        return None if total is None or chunk is None else (total, chunk)

    @property
    def lengths(self) -> list[int]:
        """The lengths that the chunk may have, if the sizes are stated. Empty if the chunk lies outside the file."""
        (total, chunk), number = self.sizes or (0, 1), self.number
        offset = ((number or 0) - 1) * chunk
        if not number or offset < 0 or (offset >= total and (offset, total) != (0, 0)):
            return []
        rest = total - offset
        if rest <= chunk:
            return [rest]
        return [chunk, rest] if rest < 2 * chunk else [chunk]

    @property
    def settled_lengths(self) -> list[int]:
        """The possible lengths, narrowed by the length that the client states."""
        stated = self.integer("resumableCurrentChunkSize")
        return self.lengths if stated is None else [stated] if stated in self.lengths else []

    @property
    def is_only_chunk(self) -> bool:
        """True if the file has one chunk, by what the request states."""
        return self.count == 1 if self.sizes is None else self.settled_lengths == [self.sizes[0]]

    @property
    def has_content(self) -> bool:
        """True if the request has a chunk, even an empty one."""
        return "file" in self.values or bool(self.files and (self.part == "file" or self.content_type))

    @property
    def content(self) -> bytes:
        """The chunk's bytes; empty if there is no chunk."""
        if self.files and (self.part == "file" or self.content_type):
            return self.files[0]
        lone = self.values.get("file", b"")
        return lone if isinstance(lone, bytes) else lone.encode()


@dataclasses.dataclass
class World:
    """The state that earlier requests have left."""

    #: The chunks that Flask has of an upload: their lengths, by number.
    parts: Callable[[str, str], Mapping[int, int]]
    #: True if Flask's folder of that identifier contains more than the parts of this file.
    is_shared: Callable[[str, str], bool]
    #: True if there is a finished file of that name.
    exists: Callable[[str], bool]
    #: True if the finished file has the same bytes as this chunk of it.
    has: Callable[[Request], bool]
    #: The sizes of the finished uploads.
    finished: dict[tuple[str, str], int] = dataclasses.field(default_factory=dict)
    #: The sizes of the unfinished uploads, where a client has stated them.
    begun: dict[tuple[str, str], int] = dataclasses.field(default_factory=dict)
    #: The chunk sizes of unfinished uploads without sizes that have begun in the place of a finished one.
    inherited: dict[tuple[str, str], int] = dataclasses.field(default_factory=dict)

    def is_over(self, request: Request) -> bool:
        """True if the request belongs to a finished upload."""
        size = self.finished.get(request.upload)
        return size is not None and (request.sizes is None or request.sizes[0] == size)

    def siblings(self, request: Request) -> list[int]:
        """The lengths of the upload's chunks that Flask has, except the last chunk, and the one it has inherited."""
        if not request.identifier or not request.filename:
            return []
        parts = self.parts(request.identifier, request.filename)
        inherited = [self.inherited[request.upload]] if request.upload in self.inherited else []
        return inherited + [length for number, length in parts.items() if number != request.count]

    def completes(self, request: Request) -> bool:
        if not (request.identifier and request.filename and request.number and request.count):
            return False
        if max(size(request.identifier), size(request.filename)) > 255:
            return False
        there = set(self.parts(request.identifier, request.filename)) | {request.number}
        return set(range(1, request.count + 1)) <= there


@dataclasses.dataclass(frozen=True)
class Difference:
    """One deliberate difference."""

    name: str
    reason: str
    #: Selects the requests.
    applies: Callable[[Request, World], bool]
    flask: set[int]
    ours: int
    #: True where Flask does not understand a chunk that resumabled takes: Flask gets it again in a form it understands.
    translate: bool = False
    #: True for a refusal after the bytes were received: the upload is known from then on.
    begins: bool = False


def is_path(name: str | None) -> bool:
    return name is not None and ("/" in name or name in (".", ".."))


def size(name: str | None) -> int:
    return len((name or "").encode())


def is_too_long_for_flask(identifier: str | None, filename: str | None) -> bool:
    """True for names that are allowed, but that Flask cannot use with `_part_001` appended, or as a folder."""
    return 246 < size(filename) <= 255 or 255 < size(identifier) <= 1024


def is_form(request: Request) -> bool:
    return request.is_upload and request.content_type is None


def is_counted(request: Request) -> bool:
    """True if only the number of chunks tells a chunk's position."""
    return request.sizes is None and request.count is not None


def is_last(request: Request) -> bool:
    return request.number == request.count


def has_bad_number(request: Request, world: World) -> bool:
    return not request.is_valid("resumableChunkNumber", 1, 2**31 - 1)


def has_bad_size(request: Request, world: World) -> bool:
    return any(not request.is_valid(name, *bounds) for name, bounds in NUMBERS.items())


def lies_beside_the_file(request: Request, world: World) -> bool:
    if request.number is None or request.number < 1:
        return False
    if request.sizes:
        return request.sizes[1] > 0 and not request.lengths
    return request.count is not None and request.number > request.count


def has_other_length(request: Request, world: World) -> bool:
    """A chunk without sizes needs the length of the first one that came; the last chunk needs less than twice that."""
    if not (request.is_upload and is_counted(request)) or world.is_over(request):
        return False
    length = len(request.content)
    siblings = world.siblings(request)
    if not is_last(request):
        return length > 0 and any(sibling != length for sibling in siblings)
    if not siblings or request.number == 1:
        return False
    known = world.parts(request.identifier, request.filename).get(request.number, length)
    begun = world.begun.get(request.upload)
    if begun is not None and (request.number - 1) * siblings[0] + length != begun:
        return True
    return length >= 2 * siblings[0] or length != known


def has_wrong_count(request: Request, world: World) -> bool:
    """True if the sizes are stated, and neither way of cutting the file leads to the stated number of chunks."""
    if not request.is_upload or not request.sizes or request.count is None or request.sizes[1] < 1:
        return False
    total, chunk = request.sizes
    return request.count not in (max(total // chunk, 1), max(-(-total // chunk), 1))


def is_test_of_empty_file(request: Request, world: World) -> bool:
    """A test of an empty file after a request that was refused for its bytes: there are no bytes to wait for."""
    tells_size = request.sizes[0] == 0 if request.sizes else request.count is not None
    return request.is_test and world.begun.get(request.upload) == 0 and tells_size


DIFFERENCES = [
    # --- the form
    Difference(
        "a form without the file",
        "the protocol has no meaning for 400; a repeated request would be just as wrong",
        lambda request, world: is_form(request)
        and request.method == "POST"
        and "file" not in request.values
        and (not request.files or request.part != "file"),
        flask={400},
        ours=500,
    ),
    Difference(
        "the file as a field without a file name",
        "some clients send a piece of memory without a file name; the part's name identifies the file",
        lambda request, world: is_form(request) and request.method == "POST" and "file" in request.values,
        flask={400},
        ours=200,
        translate=True,
    ),
    Difference(
        "two files in one form",
        "one of them would be lost without an error",
        lambda request, world: is_form(request) and len(request.files) > 1,
        flask={200, 500},
        ours=500,
        begins=True,
    ),
    Difference(
        "the chunk itself as the body",
        "Resumable.js sends it with its method `octet`",
        lambda request, world: request.content_type == "application/octet-stream" and request.method == "POST",
        flask={400},
        ours=200,
        translate=True,
    ),
    Difference(
        "a body of another type",
        "the protocol has no meaning for 400",
        lambda request, world: request.is_upload
        and request.content_type not in (None, "application/octet-stream"),
        flask={400, 405},
        ours=501,
    ),
    Difference(
        "parameters in the query string of an upload",
        "Resumable.js repeats them there, and some proxies and clients send them only there",
        lambda request, world: is_form(request) and request.method == "POST" and request.in_query,
        flask={200, 500},
        ours=200,
        translate=True,
    ),
    # --- the method
    Difference(
        "PUT and PATCH",
        "clients may choose the method (`uploadMethod`)",
        lambda request, world: request.method in ("PUT", "PATCH"),
        flask={405},
        ours=200,
        translate=True,
    ),
    Difference(
        "a method that the route does not support",
        "the protocol has 501 for this, and no meaning for 405",
        lambda request, world: request.method == "DELETE",
        flask={405},
        ours=501,
    ),
    Difference(
        "OPTIONS",
        "the answer consists of headers only",
        lambda request, world: request.method == "OPTIONS",
        flask={200},
        ours=204,
    ),
    # --- names
    Difference(
        "an upload without a name or an identifier",
        "Flask names them all `error` and mixes the chunks of two such files",
        lambda request, world: (request.is_test or request.method == "POST")
        and not all(request.values.get(name) for name in NEEDED[: 3 if request.is_test else 2]),
        flask={200, 400, 500},
        ours=500,
    ),
    Difference(
        "a file name that is a path",
        "Flask follows it, even out of its folder",
        lambda request, world: is_path(request.filename),
        flask={200, 404, 500},
        ours=500,
    ),
    Difference(
        "an identifier that is a path",
        "Flask follows it, even out of its folder; for resumabled an identifier has no structure",
        lambda request, world: request.method == "POST" and is_path(request.identifier),
        flask={200, 500},
        ours=200,
    ),
    Difference(
        "a NUL in the identifier",
        "many programs take it as the end of the text; Flask fails at it, except in a test",
        lambda request, world: "\0" in (request.identifier or ""),
        flask={404, 500},
        ours=500,
    ),
    Difference(
        "names that are not UTF-8",
        "Flask uses replacement characters, so files of different names become one",
        lambda request, world: any(isinstance(value, bytes) for name, value in request.fields if name != "file"),
        flask={200, 404, 500},
        ours=500,
    ),
    Difference(
        "long names",
        "Flask appends to the file name and makes a folder of the identifier, so it fails before the file system would",
        lambda request, world: request.method == "POST"
        and is_too_long_for_flask(*request.upload),
        flask={500},
        ours=200,
    ),
    Difference(
        "names that are too long",
        "such a chunk can never be stored; 404 to a test would ask for it",
        lambda request, world: size(request.filename) > 4096 or size(request.identifier) > 1024,
        flask={404, 500},
        ours=500,
    ),
    # --- numbers
    Difference(
        "a chunk number that is not a whole number from 1",
        "Flask takes everything that int() takes, even negative numbers, and 1 if int() fails: bytes in a wrong place",
        has_bad_number,
        flask={200, 404, 500},
        ours=500,
    ),
    Difference(
        "sizes and counts that are not numbers within their bounds",
        "the server must not guess the meaning of a wrong value",
        has_bad_size,
        flask={200, 404, 500},
        ours=500,
    ),
    Difference(
        "a chunk outside the file",
        "Flask keeps it for ever and never uses it; it makes a file of no chunks before it fails",
        lies_beside_the_file,
        flask={200, 404, 500},
        ours=500,
    ),
    Difference(
        "no parameters that tell the chunk's position",
        "sizes or the number of chunks are needed for it; Flask fails after it has stored the chunk",
        lambda request, world: (request.is_test or request.is_upload)
        and request.sizes is None
        and "resumableTotalChunks" not in request.values,
        flask={200, 404, 500},
        ours=500,
    ),
    Difference(
        "sizes without the number of chunks",
        "the sizes are enough; Flask fails after it has stored the chunk",
        lambda request, world: request.method == "POST"
        and request.sizes is not None
        and "resumableTotalChunks" not in request.values,
        flask={500},
        ours=200,
        translate=True,
    ),
    Difference(
        "sizes with a wrong number of chunks",
        "early releases of Resumable.js sent a changing number; Flask trusts it and publishes an incomplete file",
        has_wrong_count,
        flask={200, 500},
        ours=200,
        translate=True,
    ),
    Difference(
        "a parameter twice, with different values",
        "it is unknown which one is meant; Flask takes the first",
        lambda request, world: request.repeats,
        flask={200, 404, 500},
        ours=500,
    ),
    # --- sizes
    Difference(
        "a file that is larger than the limit",
        "Flask has no limit",
        lambda request, world: LARGEST_FILE < (request.integer("resumableTotalSize") or 0) < 2**63,
        flask={200, 404},
        ours=415,
    ),
    Difference(
        "a stated length that the chunk cannot have",
        "the client contradicts itself",
        lambda request, world: request.integer("resumableCurrentChunkSize") is not None
        and bool(request.sizes and request.lengths)
        and not request.settled_lengths,
        flask={200, 404},
        ours=500,
    ),
    Difference(
        "fewer bytes than the chunk has",
        "a broken connection causes it: Flask assembles the file with a hole, resumabled asks for the chunk again (even "
        "if it was held, because it has begun to be replaced)",
        lambda request, world: request.is_upload
        and request.has_content
        and bool(request.sizes and request.settled_lengths)
        and len(request.content) < request.settled_lengths[0],
        flask={200},
        ours=503,
        begins=True,
    ),
    Difference(
        "more bytes than the chunk has",
        "no broken connection adds bytes: the client is wrong, and the file would be wrong",
        lambda request, world: request.is_upload
        and bool(request.sizes and request.settled_lengths)
        and len(request.content) > request.settled_lengths[0]
        and len(request.content) not in request.settled_lengths,
        flask={200},
        ours=500,
        begins=True,
    ),
    Difference(
        "an empty chunk before the last, without sizes",
        "no client cuts a file like that: the bytes were lost on the way",
        lambda request, world: request.is_upload
        and request.has_content
        and is_counted(request)
        and not is_last(request)
        and not request.content,
        flask={200},
        ours=503,
    ),
    Difference(
        "chunks of different lengths, without sizes",
        "a chunk's position follows from the length of the others; such chunks belong to different files",
        has_other_length,
        flask={200},
        ours=500,
    ),
    Difference(
        "another size for an unfinished upload",
        "a changed file would mix with the chunks that are held of the old one",
        lambda request, world: request.sizes is not None
        and request.upload in world.begun
        and world.begun[request.upload] != request.sizes[0],
        flask={200, 404, 500},
        ours=500,
    ),
    # --- finished files
    Difference(
        "a test of an empty file that was begun",
        "no byte of it is missing: it is complete as soon as it is known, and the test publishes it",
        is_test_of_empty_file,
        flask={404},
        ours=200,
    ),
    Difference(
        "a test of a finished file of several chunks, or with its modification time",
        "Flask has deleted its parts and asks for all of it again",
        lambda request, world: request.is_test
        and world.is_over(request)
        and (not request.is_only_chunk or "resumableLastModified" in request.values)
        and "resumableChunkNumber" in request.values,
        flask={404},
        ours=200,
    ),
    Difference(
        "a chunk of a finished file",
        "it is a duplicate and changes nothing; Flask begins the file again and appends it to itself",
        lambda request, world: request.method == "POST" and world.is_over(request) and world.has(request),
        flask={200, 500},
        ours=200,
    ),
    Difference(
        "other bytes for a finished file",
        "they are of another file, which gets a name of its own; Flask appends it to the first",
        lambda request, world: request.method == "POST" and world.is_over(request) and not world.has(request),
        flask={200, 500},
        ours=200,
    ),
    Difference(
        "a second file of the same name",
        "Flask appends it to the first; resumabled names it `name (1).ext`",
        lambda request, world: request.method == "POST"
        and world.completes(request)
        and world.exists(request.filename)
        and not world.is_over(request),
        flask={200},
        ours=200,
    ),
    Difference(
        "two files under one identifier",
        "Flask fails to remove its folder and reports an error for a file that is complete",
        lambda request, world: request.method == "POST"
        and world.completes(request)
        and world.is_shared(request.identifier, request.filename),
        flask={500},
        ours=200,
    ),
]

#: Every error answer differs, so the list does not have it: Flask sends a page with a title, in debug mode with source
#: code. resumabled sends one line of text for the user.
ERROR_PAGE = re.compile(r"<p>(.*?)</p>", re.DOTALL)
