"""The client's side of FastCGI (specification 1.0), for tests that talk to the program without nginx.

nginx receives a whole request before it passes it on. A test that stops in the middle of a body, or sends SIGTERM in
the middle of a request, has to hold the other end of the program's socket itself.
"""

import pathlib
import socket
import struct

BEGIN_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6
RESPONDER = 1
LARGEST_RECORD = 65535


class Request:
    """One request on a connection of its own. The test writes the body piece by piece."""

    def __init__(self, address: pathlib.Path | tuple, params: dict[str, str], timeout: float = 20):
        """`address`: the path of a Unix socket, or host and port."""
        if isinstance(address, tuple):
            self.socket = socket.create_connection(address[:2], timeout)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(str(address))
        self._record(BEGIN_REQUEST, struct.pack(">HB5x", RESPONDER, 0))
        encoded = b"".join(self._pair(name.encode(), value.encode()) for name, value in params.items())
        self._stream(PARAMS, encoded)
        self._record(PARAMS, b"")

    @staticmethod
    def _pair(name: bytes, value: bytes) -> bytes:
        def length(of: bytes) -> bytes:
            return bytes([len(of)]) if len(of) < 128 else struct.pack(">I", len(of) | 1 << 31)

        return length(name) + length(value) + name + value

    def _record(self, kind: int, content: bytes) -> None:
        self.socket.sendall(struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content)

    def _stream(self, kind: int, content: bytes) -> None:
        for at in range(0, len(content), LARGEST_RECORD):
            self._record(kind, content[at : at + LARGEST_RECORD])

    def write(self, content: bytes) -> None:
        self._stream(STDIN, content)

    def close(self) -> None:
        self.socket.close()

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Ends the body and reads the answer: status, header fields (names in lower case), body."""
        self._record(STDIN, b"")
        output = b""
        with self.socket, self.socket.makefile("rb") as stream:
            while True:
                header = stream.read(8)
                if len(header) < 8:
                    raise ConnectionError(f"the program closed the connection after {output!r}")
                _, kind, _, length, padding = struct.unpack(">BBHHBx", header)
                content = stream.read(length + padding)[:length]
                if kind == STDOUT:
                    output += content
                if kind == END_REQUEST:
                    break
        head, _, body = output.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        fields = {name.lower(): value for name, value in fields.items()}
        return int(fields.get("status", "200").split()[0]), fields, body


def upload_params(method: str, query: str, content_type: str = "", length: int | None = None) -> dict[str, str]:
    """The parameters that nginx.conf.example sends for a request to the upload route."""
    params = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "/resumable_upload",
        "DOCUMENT_URI": "/resumable_upload",
        "REQUEST_URI": f"/resumable_upload?{query}",
        "QUERY_STRING": query,
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": "" if length is None else str(length),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1",
    }
    return params
