"""The WSGI application for gunicorn: the Flask backend of the end-to-end tests."""

import sys


def application(root: str):
    # The backend reads its folder from the command line.
    sys.argv = ["flask_backend.py", root]
    from support import flask_backend

    return flask_backend.app
