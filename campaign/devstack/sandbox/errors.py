"""The errors that the API responds with, and the public form of its objects."""

from typing import Any

Doc = dict[str, Any]


class ApiError(Exception):
    """An error response of the API; `body` is its JSON."""

    def __init__(
        self, message: str, *, status: int = 400, code: str | None = None, param: str | None = None, kind: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {k: v for k, v in {"type": kind, "message": message, "code": code, "param": param}.items() if v}}


class Declined(ApiError):
    """The card was declined; the checkout stays open."""

    def __init__(self, code: str, decline_code: str | None, message: str) -> None:
        super().__init__(message, status=402, code=code, kind="card_error")
        if decline_code:
            self.body["error"]["decline_code"] = decline_code


def public(doc: Doc) -> dict[str, Any]:
    """The object without the fields that are internal to the sandbox."""
    return {k: v for k, v in doc.items() if not k.startswith("sandbox_")}
