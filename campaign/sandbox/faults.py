"""Faults on demand: what goes wrong between an account and whoever asks, for as many requests as was wished."""

import json
import re
import socket
import time
from typing import Any

from flask import Response, g, request

from campaign.sandbox.answers import account, answer, asked_for, bp, fingerprint_of
from campaign.sandbox.store import Store

KINDS = ("429", "500", "500_kept", "timeout", "slow", "dropped", "malformed")
SWITCH = "faults"
TIMEOUT_SECONDS = 30.0

Fault = dict[str, Any]


def ask_for(store: Store, *, kind: str, path: str = "", method: str = "", times: int = 1, seconds: float = 0) -> None:
    """The next requests whose path matches go wrong in this way."""
    assert kind in KINDS, kind
    re.compile(path)
    with store.transaction():
        faults = [*waiting(store), {"kind": kind, "path": path, "method": method.upper(), "times": times, "seconds": seconds}]
        store.set_switch(SWITCH, json.dumps(faults))


def waiting(store: Store) -> list[Fault]:
    """What is still to go wrong."""
    faults: list[Fault] = json.loads(store.switch(SWITCH, "[]"))
    return faults


def forget(store: Store) -> None:
    """Nothing goes wrong any more."""
    store.set_switch(SWITCH, "[]")


def _next(store: Store, method: str, path: str) -> Fault | None:
    with store.transaction():
        faults = waiting(store)
        for fault in faults:
            if fault["method"] in {"", method} and re.search(fault["path"], path):
                fault["times"] -= 1
                store.set_switch(SWITCH, json.dumps([one for one in faults if one["times"] > 0]))
                return fault
    return None


@bp.before_request
def _before() -> Response | None:
    g.fault = fault = _next(account().store, request.method, request.path)
    if fault is None:
        return None
    match fault["kind"]:
        case "429":
            return _error(429, "Too many requests.", "rate_limit_error")
        case "500":
            return _error(500, "An unknown error occurred.", "api_error")
        case "500_kept":
            return _kept()
        case "timeout":
            time.sleep(fault["seconds"] or TIMEOUT_SECONDS)
            return _error(504, "Too late.", "api_error")
        case "slow":
            time.sleep(fault["seconds"])
    return None


def _error(status: int, message: str, kind: str) -> Response:
    return answer({"error": {"type": kind, "message": message}}, status)


def _kept() -> Response:
    """A failure that Stripe remembers under the key of the request: asked again, it fails again."""
    failed = _error(500, "An unknown error occurred.", "api_error")
    if key := request.headers.get("Idempotency-Key"):
        account().store.keep_answer(key, fingerprint_of(request.path, asked_for()), 500, failed.get_data(as_text=True))
    return failed


@bp.after_request
def _after(response: Response) -> Response:
    match (g.get("fault") or {}).get("kind"):
        case "dropped":  # It was done, and the answer is lost.
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        case "malformed":
            return Response("<html>A page of somebody on the way.</html>", mimetype="text/html")
    return response
