"""Static files, each under an address that changes with its content, and the compression of what is the same for everybody.

A page of a donor, of staff or of a funder is never compressed: beside input that it repeats, its size would tell which guess of what is secret on it
is right (BREACH, CVE-2013-3587). The tokens of the campaign page are signed anew in each response: a part of one opens nothing.
"""

from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, make_response, request
from flask.typing import ResponseReturnValue
from flask_compress import Compress
from werkzeug.security import safe_join

VERSION_LETTERS = 10
# Stylesheets name these, without a version in the address: it is in the name of the file.
FONTS = "fonts/"
# Of an address with the version of its content. Any other one may be another version by then.
FOREVER_SECONDS = 365 * 24 * 3600

_library = Compress()


def init_app(app: Flask) -> None:
    """Add the version to the addresses of static files, and compress them."""
    app.config.update(
        COMPRESS_REGISTER=False,  # `_finish` and `compressed` select the responses.
        COMPRESS_ALGORITHM=["br", "gzip"],
        COMPRESS_BR_LEVEL=5,
        COMPRESS_MIMETYPES=["text/html", "text/css", "text/javascript", "image/svg+xml", "application/json"],
        COMPRESS_STREAMS=False,
    )
    _library.init_app(app)
    app.url_defaults(_add_version)
    app.after_request(_finish)


def compressed(body: ResponseReturnValue) -> Response:
    """The response, compressed for clients that accept it. It shows nobody's data, and what signs its secrets is new in each response."""
    return _compress(make_response(body))


def _compress(response: Response) -> Response:
    """Compress it unless the client refuses an encoding: the library does not read a quality of zero."""
    refuses = any(not quality for _, quality in request.accept_encodings)
    return response if refuses else _library.after_request(response)


def _add_version(endpoint: str, values: dict[str, Any]) -> None:
    if endpoint == "static" and not values["filename"].startswith(FONTS) and (version := _version_of(values["filename"])):
        values["v"] = version


@lru_cache
def _version_of(filename: str) -> str:
    """A digest of the static file; empty when there is none."""
    path = safe_join(str(current_app.static_folder), filename)
    if path is None or not Path(path).is_file():
        return ""
    return sha256(Path(path).read_bytes()).hexdigest()[:VERSION_LETTERS]


def _finish(response: Response) -> Response:
    if request.endpoint != "static":
        return response
    filename = str((request.view_args or {})["filename"])
    if response.status_code == 200 and (filename.startswith(FONTS) or request.args.get("v") == _version_of(filename)):
        response.cache_control.max_age = FOREVER_SECONDS
        response.cache_control.immutable = True
    elif "v" in request.args:
        response.cache_control.no_store = True  # A shared cache would have this content under the address of another.
    if response.direct_passthrough:  # Read it at once: a stream would not be compressed for clients that know gzip alone.
        response.direct_passthrough = False
        content = response.get_data()
        response.close()
        response.set_data(content)
    return _compress(response)
