"""Pages of the tests' own behind the same nginx: people's pages, where ours is only the server or only the script."""

import pathlib
import signal

from support.server import Server, wait_until

# Where the example configuration begins to speak of its own page.
LANDMARK = "        # --- The page: plain files"


def serve(server: Server, locations: dict[str, str]) -> None:
    """Adds locations to the server's nginx: what a path of the site is, in nginx's own words."""
    configuration = server.state / "nginx.conf"
    text = configuration.read_text()
    assert text.count(LANDMARK) == 1
    added = "".join(f"        location = {path} {{ {what} }}\n" for path, what in locations.items())
    configuration.write_text(text.replace(LANDMARK, added + LANDMARK))
    before = _workers(server)
    server.nginx.send_signal(signal.SIGHUP)
    # The old ones answer in the old way until their connections have ended.
    wait_until(lambda: _workers(server) and before.isdisjoint(_workers(server)), 10, "nginx has the new pages")


def _workers(server: Server) -> set[str]:
    return set(pathlib.Path(f"/proc/{server.nginx.pid}/task/{server.nginx.pid}/children").read_text().split())


def file(path: pathlib.Path, media_type: str) -> str:
    """A file, without the Content-Security-Policy of our own page."""
    # `alias` in a location of one name is that file; an add_header of its own ends the inheritance of the others.
    return f'default_type {media_type}; types {{ }} add_header Cache-Control no-cache; alias "{path}";'
