"""Faults on demand: errors, delays and lost responses for a chosen number of API requests."""

import json
import re
import socket
import time
from typing import Any

from flask import Response, g, request

from campaign.devstack.sandbox.answers import account, answer, bp, fingerprint_of, request_params
from campaign.devstack.sandbox.store import Store

KINDS = ("429", "500", "500_kept", "timeout", "slow", "dropped", "malformed")
SWITCH = "faults"
TIMEOUT_SECONDS = 30.0

Fault = dict[str, Any]


def inject(store: Store, *, kind: str, path: str = "", method: str = "", times: int = 1, seconds: float = 0) -> None:
    """Inject this fault into the next `times` requests whose path and method match."""
    assert kind in KINDS, kind
    re.compile(path)
    with store.transaction():
        faults = [*pending(store), {"kind": kind, "path": path, "method": method.upper(), "times": times, "seconds": seconds}]
        store.set_switch(SWITCH, json.dumps(faults))


def pending(store: Store) -> list[Fault]:
    """The faults that are still to be injected."""
    faults: list[Fault] = json.loads(store.switch(SWITCH, "[]"))
    return faults


def clear(store: Store) -> None:
    """Remove all faults."""
    store.set_switch(SWITCH, "[]")


def _take_next(store: Store, method: str, path: str) -> Fault | None:
    with store.transaction():
        faults = pending(store)
        for fault in faults:
            if fault["method"] in {"", method} and re.search(fault["path"], path):
                fault["times"] -= 1
                store.set_switch(SWITCH, json.dumps([f for f in faults if f["times"] > 0]))
                return fault
    return None


@bp.before_request
def _before() -> Response | None:
    g.fault = fault = _take_next(account().store, request.method, request.path)
    if fault is None:
        return None
    match fault["kind"]:
        case "429":
            return _error(429, "Too many requests.", "rate_limit_error")
        case "500":
            return _error(500, "An unknown error occurred.", "api_error")
        case "500_kept":
            return _stored_failure()
        case "timeout":
            time.sleep(fault["seconds"] or TIMEOUT_SECONDS)
            return _error(504, "Timeout.", "api_error")
        case "slow":
            time.sleep(fault["seconds"])
    return None


def _error(status: int, message: str, kind: str) -> Response:
    return answer({"error": {"type": kind, "message": message}}, status)


def _stored_failure() -> Response:
    """A failure stored under the idempotency key of the request: a retry with the same key fails again."""
    failed = _error(500, "An unknown error occurred.", "api_error")
    if key := request.headers.get("Idempotency-Key"):
        account().store.store_response(key, fingerprint_of(request.path, request_params()), 500, failed.get_data(as_text=True))
    return failed


@bp.after_request
def _after(response: Response) -> Response:
    match (g.get("fault") or {}).get("kind"):
        case "dropped":  # The request was carried out and its response is lost.
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        case "malformed":
            return Response("<html>A page of an intermediary.</html>", mimetype="text/html")
    return response
