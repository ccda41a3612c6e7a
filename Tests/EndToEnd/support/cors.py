"""A server that allows uploads from the pages of another origin, and a check of the answers that such a page reads."""

from support.server import Server, replace

APP = "https://app.example.org"


class OpenServer(Server):
    """Allows the origin in the two places that the example has for it. Its limits are low, so tests can reach them."""

    def configuration(self, text: str) -> str:
        line = f"# {APP} $http_origin;"
        text = replace(text, line, line[2:])
        for setting, value in {
            "fastcgi_read_timeout 60s": "fastcgi_read_timeout 1s",
            "client_body_timeout 60s": "client_body_timeout 1s",
            "limit_conn per_address 64": "limit_conn per_address 4",
        }.items():
            text = replace(text, setting, value)
        return text


def expect_readable(headers, outcome: str) -> None:
    """Checks that a script on the other origin can read the answer: each header is there, and exactly once."""
    assert headers.get_all("Access-Control-Allow-Origin") == [APP]
    assert headers.get_all("Access-Control-Allow-Credentials") == ["true"]
    assert headers.get_all("Access-Control-Expose-Headers") == ["X-Upload-Outcome, Retry-After, X-Upload-Path"]
    assert headers.get_all("Vary") == ["Origin"]
    assert headers.get_all("X-Upload-Outcome") == [outcome]
