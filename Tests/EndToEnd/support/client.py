"""A small uploader: the reference for the requests of a client (Sources/PROTOCOL.md).

It shares no code with the program. http.client sends the requests, and multipart bodies are built here as browsers
build them (RFC 7578, and the HTML standard for the escaping of names).
"""

import dataclasses
import http.client
import random
import urllib.parse

ROUTE = "/resumable_upload"
MIB = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def outcome(self) -> str | None:
        return self.headers["X-Upload-Outcome"]


@dataclasses.dataclass(frozen=True)
class Chunk:
    """A numbered part of a file: the bytes from `start` up to, but not including, `end`."""

    number: int
    start: int
    end: int
    total: int


def layout(size: int, chunk_size: int, force: bool) -> list[Chunk]:
    """Cuts a file as Resumable.js does: the last chunk includes the remainder, unless forceChunkSize is on."""
    total = max(-(-size // chunk_size) if force else size // chunk_size, 1)
    edges = [number * chunk_size for number in range(total)] + [size]
    return [Chunk(number + 1, edges[number], edges[number + 1], total) for number in range(total)]


def random_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def parameters(
    chunk: Chunk, *, identifier: str, filename: str, size: int, chunk_size: int, **more: str | bytes | int | None
) -> dict[str, str | bytes]:
    """All parameters that the browser library sends. A keyword argument replaces the parameter of that name; None omits it."""
    fields: dict[str, str | bytes | int | None] = {
        "resumableChunkNumber": chunk.number,
        "resumableChunkSize": chunk_size,
        "resumableCurrentChunkSize": chunk.end - chunk.start,
        "resumableTotalSize": size,
        "resumableType": "application/octet-stream",
        "resumableIdentifier": identifier,
        "resumableFilename": filename,
        "resumableRelativePath": filename,
        "resumableTotalChunks": chunk.total,
        # Stated, a finished file of one chunk is also known to a test.
        "resumableLastModified": 1_700_000_000_000,
        **more,
    }
    return {
        name: value if isinstance(value, bytes) else str(value) for name, value in fields.items() if value is not None
    }


def query(fields) -> str:
    return urllib.parse.urlencode(fields)


def multipart(
    fields,
    content: bytes | None,
    *,
    filename: str = "blob",
    file_first: bool = False,
    part: str = "file",
    more_files: tuple[bytes, ...] = (),
) -> tuple[str, bytes]:
    """A multipart/form-data body and its content type. `fields` is a mapping or a list of pairs. `more_files` follow
    the first file in parts of the same name."""
    boundary = "----ReferenceClientBoundary7MA4YWxkTrZu0gW"
    files = [] if content is None else [content, *more_files]
    assert not any(boundary.encode() in each for each in files)

    def escaped(name: str) -> str:
        return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")

    parts = []
    for name, value in fields.items() if hasattr(fields, "items") else fields:
        value = value if isinstance(value, bytes) else value.encode()
        parts.append(f'Content-Disposition: form-data; name="{escaped(name)}"\r\n\r\n'.encode() + value)
    head = (
        f'Content-Disposition: form-data; name="{part}"; filename="{escaped(filename)}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    place = 0 if file_first else len(parts)
    parts[place:place] = [head + each for each in files]
    delimiter = f"--{boundary}\r\n".encode()
    body = b"".join(delimiter + each + b"\r\n" for each in parts) + f"--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", body


class Client:
    """Sends HTTP requests on one connection, and opens a new one if the connection was closed."""

    def __init__(self, port: int, route: str = ROUTE, timeout: float = 30):
        self.route = route
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_) -> None:
        self.connection.close()

    def request(self, method: str, target: str, body=None, headers=None) -> Answer:
        """One request and its answer. After any answer the connection is either usable or closed."""
        for attempt in (1, 2):
            fresh = self.connection.sock is None
            try:
                self.connection.request(method, target, body=body, headers=headers or {})
                response = self.connection.getresponse()
                return Answer(response.status, response.headers, response.read())
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self.connection.close()
                # The server may close an idle connection at any time. A new connection must work.
                if fresh or attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def test(self, fields, method: str = "GET", headers=None) -> Answer:
        return self.request(method, f"{self.route}?{query(fields)}", headers=headers)

    def send(self, fields, content: bytes | None, method: str = "POST", target: str | None = None, **how) -> Answer:
        content_type, body = multipart(fields, content, **how)
        return self.request(method, target or self.route, body, {"Content-Type": content_type})

    def send_raw(self, fields, content: bytes, method: str = "POST") -> Answer:
        headers = {"Content-Type": "application/octet-stream"}
        return self.request(method, f"{self.route}?{query(fields)}", content, headers)

    def upload(self, data: bytes, *, filename: str, identifier: str, chunk_size: int = MIB, force: bool = False):
        """Uploads a whole file in order, as Resumable.js does: tests each chunk, and sends it if it is missing."""
        answers = []
        for chunk in layout(len(data), chunk_size, force):
            fields = parameters(
                chunk, identifier=identifier, filename=filename, size=len(data), chunk_size=chunk_size
            )
            if self.test(fields).status != 200:
                answers.append(self.send(fields, data[chunk.start : chunk.end]))
        return answers
