"""Names the file in a response, which is saved, or opened in the browser with that name for whoever saves it."""

from typing import Literal

from flask import Response


def name_file(response: Response, name: str, *, disposition: Literal["attachment", "inline"] = "attachment") -> Response:
    """Give the file in the response its name, in ASCII (texts/file_names.py). A browser shows an `inline` one and saves an `attachment`."""
    response.headers["Content-Disposition"] = f'{disposition}; filename="{name}"'
    return response
