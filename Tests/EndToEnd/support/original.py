"""The original Resumable.js, from the static files of PyPI packages, and the smallest page that uses it."""

import importlib.util
import pathlib

from support import pages
from support.server import Server

# The smallest page that uses the library.
PAGE = """<!doctype html>
<html><head><meta charset="utf-8"><title>Upload</title></head><body>
<button id="browse" type="button">Browse</button>
<button id="pause" type="button" onclick="r.pause()">Pause</button>
<button id="resume" type="button" onclick="r.upload()">Resume</button>
<script src="SCRIPT"></script>
<script>
  const events = [];
  const r = new Resumable({ target: 'TARGET', simultaneousUploads: AT_ONCE, query: { upload_token: 'my_token' } });
  r.assignBrowse(document.getElementById('browse'));
  r.on('fileAdded', function (file) { r.upload(); });
  r.on('fileSuccess', function (file, message) { events.push(['success', file.fileName, message]); });
  r.on('fileError', function (file, message) { events.push(['error', file.fileName, message]); });
</script></body></html>
"""


def page(folder: pathlib.Path, script: str, target: str, at_once: int = 3) -> str:
    path = folder / f"page-{at_once}.html"
    path.write_text(PAGE.replace("SCRIPT", script).replace("TARGET", target).replace("AT_ONCE", str(at_once)))
    return pages.file(path, "text/html")


def events(browser) -> list:
    return browser.script("return events")


ORIGINALS = ["admin_resumable", "django_resumable_async_upload"]


def serve_original(server: Server, folder: pathlib.Path, package: str) -> None:
    # Found without an import, which would need a Django project.
    home = pathlib.Path(importlib.util.find_spec(package).origin).parent
    pages.serve(
        server,
        {
            "/original.js": pages.file(home / "static/admin_resumable/js/resumable.js", "text/javascript"),
            "/original": page(folder, "/original.js", "/resumable_upload"),
        },
    )
