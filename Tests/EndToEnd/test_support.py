"""The tests' own tools for browsers: the line that records requests, and the table of engines' limits."""

import pathlib
import re

import pytest

from support.engines import CANNOT, ENGINES
from support.line import Line, Messages, Traffic

HEADS = [b"POST /a HTTP/1.1\r\nContent-Length: 6\r\n\r\n\r\n\r\nab", b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n"]
CHUNKED = b"PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nGET /\r\n2\r\n\r\n\r\n0\r\nT: t\r\n\r\n"
STREAM = HEADS[0] + HEADS[1] + CHUNKED + HEADS[0]
STARTS = ["POST /a HTTP/1.1", "GET /b HTTP/1.1", "PUT /c HTTP/1.1", "POST /a HTTP/1.1"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(STREAM)])
def test_start_lines_are_found_wherever_the_stream_is_cut(size):
    """Framing by RFC 9112, section 6: bodies with a length, without one, and chunked with extension and trailer."""
    found = []
    messages = Messages(lambda start: found.append(start) or True)
    for place in range(0, len(STREAM), size):
        messages.feed(STREAM[place : place + size])
    assert found == STARTS


def test_the_line_counts_requests_and_their_answers(server):
    with Line(server.port) as line, server.client() as client:
        client.connection.port = line.port
        assert client.upload(b"data", filename="a.bin", identifier="a")[0].status == 200
        assert client.upload(b"data", filename="a.bin", identifier="a") == []
        traffic = Traffic(line).read()
        assert [fields["resumableFilename"] for fields in traffic.tests.values()] == ["a.bin", "a.bin"]
        assert sorted(traffic.statuses.values()) == [200, 200, 404] and len(traffic.uploads) == 1


def test_every_limit_of_an_engine_is_needed_by_a_test():
    used = set()
    for path in pathlib.Path(__file__).parent.glob("test_browser_*.py"):
        for marks in re.findall(r"pytest\.mark\.needs\(([^)]*)\)|\.can\((\"[^\"]*\")\)", path.read_text()):
            used |= set(re.findall(r'"([^"]+)"', "".join(marks)))
    assert used == set(CANNOT)
    assert {engine for reasons in CANNOT.values() for engine in reasons} <= set(ENGINES)
