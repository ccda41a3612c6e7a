"""Hands the Flask backend of the end-to-end tests to gunicorn."""

import sys


def application(root: str):
    # The backend takes its folder from the command line, as it is started there.
    sys.argv = ["flask_backend.py", root]
    from support import flask_backend

    return flask_backend.app
