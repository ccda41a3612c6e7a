"""Pages of the tests' own behind the same nginx: pages of other people that use only our server or only our script."""

import pathlib
import signal

from support.server import Server, replace, wait_until

# The line of the example configuration where our own page's location begins.
LANDMARK = "        # --- The page and its files"


def serve(server: Server, locations: dict[str, str]) -> None:
    """Adds locations to the server's nginx: a path of the site, and the directives for it."""
    configuration = server.state / "nginx.conf"
    text = configuration.read_text()
    added = "".join(f"        location = {path} {{ {what} }}\n" for path, what in locations.items())
    configuration.write_text(replace(text, LANDMARK, added + LANDMARK))
    # nginx listens before it starts its workers, and may miss a signal that comes before that.
    before = wait_until(lambda: _workers(server), 10, "nginx has workers")
    server.nginx.send_signal(signal.SIGHUP)
    # The old workers answer by the old configuration until their connections have ended.
    wait_until(lambda: _workers(server) and before.isdisjoint(_workers(server)), 10, "nginx has the new pages")


def _workers(server: Server) -> set[str]:
    return set(pathlib.Path(f"/proc/{server.nginx.pid}/task/{server.nginx.pid}/children").read_text().split())


def file(path: pathlib.Path, media_type: str) -> str:
    """The directives for a file, without the Content-Security-Policy of our own page."""
    # In an exact location, `alias` names the file itself. An add_header here ends the inheritance of the others.
    return f'default_type {media_type}; types {{ }} add_header Cache-Control no-cache; alias "{path}";'
