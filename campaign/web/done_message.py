"""The message that says what a form has done, on the page after it: the redirect leads to the message, so that it has the focus.

A screen reader does not read aloud a status that is in the page when it loads. The address moves the focus without scripts too.
"""

from flask import Flask, Response, current_app, request, session

ANCHOR = "done"
# Where Flask keeps messages until a page shows them.
_MESSAGES = "_flashes"


def init_app(app: Flask) -> None:
    """Let redirects of public forms lead to the message, of which templates/donate/done.html is the first one."""
    app.after_request(_lead_to_message)


def has_message() -> bool:
    """Whether the page has a message to show: it is not loaded again before that is read."""
    return bool(session.get(_MESSAGES))


def _lead_to_message(response: Response) -> Response:
    if request.method != "POST" or response.status_code != 303 or not has_message():
        return response
    view = current_app.view_functions.get(request.endpoint or "")
    is_own = (response.location or "").startswith("/")
    if getattr(view, "access", "") == "public" and is_own and not (response.location or "").endswith("#give"):  # The form has no message.
        response.location = f"{(response.location or '').partition('#')[0]}#{ANCHOR}"
    return response
