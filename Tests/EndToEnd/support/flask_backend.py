"""The Flask backend that resumabled replaces, with as few changes as Python 3 allows.

    flask_backend.py ROOT PORT [LIMIT]

The changes: a literal that no longer compiles (0777), the folder and the port, and the page, which is removed. With
LIMIT the kernel kills the process when it makes a file larger than this number of bytes, in the middle of saving.
"""

import os
import resource
import signal
import sys

from flask import Flask, abort, request

app = Flask(__name__)
temp_base = sys.argv[1]


@app.route("/resumable_upload", methods=["GET"])
def resumable():
    identifier = request.args.get("resumableIdentifier", type=str)
    filename = request.args.get("resumableFilename", type=str)
    chunk_number = request.args.get("resumableChunkNumber", type=int)
    if not identifier or not filename or not chunk_number:
        abort(500, "Parameter error")
    if os.path.isfile(os.path.join(temp_base, identifier, get_chunk_name(filename, chunk_number))):
        return "OK"
    abort(404, "Not found")


@app.route("/resumable_upload", methods=["POST"])
def resumable_post():
    total_chunks = request.form.get("resumableTotalChunks", type=int)
    chunk_number = request.form.get("resumableChunkNumber", default=1, type=int)
    filename = request.form.get("resumableFilename", default="error", type=str)
    identifier = request.form.get("resumableIdentifier", default="error", type=str)
    chunk_data = request.files["file"]

    temp_dir = os.path.join(temp_base, identifier)
    if not os.path.isdir(temp_dir):
        os.makedirs(temp_dir, 0o777)
    chunk_data.save(os.path.join(temp_dir, get_chunk_name(filename, chunk_number)))

    chunk_paths = [os.path.join(temp_dir, get_chunk_name(filename, x)) for x in range(1, total_chunks + 1)]
    if all([os.path.exists(p) for p in chunk_paths]):
        with open(os.path.join(temp_base, filename), "ab") as target_file:
            for p in chunk_paths:
                with open(p, "rb") as stored_chunk_file:
                    target_file.write(stored_chunk_file.read())
                os.unlink(p)
        os.rmdir(temp_dir)
    return "OK"


def get_chunk_name(uploaded_filename, chunk_number):
    return uploaded_filename + "_part_%03d" % chunk_number


if __name__ == "__main__":
    if len(sys.argv) > 3:
        # Python turns the signal into an exception by default.
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
    app.run("127.0.0.1", int(sys.argv[2]), threaded=True)
