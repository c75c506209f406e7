"""The fields of a posted donation form, read once for each request, and whose limits they count against."""

from urllib.parse import parse_qsl

from flask import abort, request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException

from campaign.rules import typed_text
from campaign.web.networks import client_key, pseudonym

MAX_FIELDS = 100
# Where the request has them.
POSTED = "campaign.posted_fields"


def posted_fields() -> MultiDict[str, str]:
    """The fields. Responds 413 when there are too many, or the body is too large."""
    if POSTED not in request.environ:
        request.environ[POSTED] = _read_fields()
    fields: MultiDict[str, str] = request.environ[POSTED]
    return fields


def _read_fields() -> MultiDict[str, str]:
    """Invalid UTF-8 becomes U+FFFD, which the form refuses; Werkzeug would decode it as other text."""
    if request.mimetype != "application/x-www-form-urlencoded":
        return request.form
    try:
        pairs = parse_qsl(
            request.get_data().decode("utf-8", "replace"), keep_blank_values=True, errors="replace", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        abort(413)
    return MultiDict(pairs)


def email_key() -> str:
    """Whose email address the form names, without storing it. It never raises: the limiter would take that for a fault of Redis."""
    try:
        email = posted_fields().get("email", "")
    except HTTPException:
        email = ""
    return pseudonym("email:" + typed_text.clean(email).casefold())


def email_and_client_key() -> str:
    """The same for each network by itself."""
    return f"{email_key()}:{client_key()}"
