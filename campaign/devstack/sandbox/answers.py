"""The conventions of Stripe's API: keys, form encoding, errors, lists, expansion and idempotency."""

import itertools
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Blueprint, Response, current_app, request

from campaign.devstack.sandbox import shapes
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.stripe_account import Account, ApiError, public

bp = Blueprint("api", __name__, url_prefix="/v1")

KEY = re.compile(r"(sk|rk)_test_\w{8,}")


def account() -> Account:
    """The account of this sandbox."""
    sandbox_account = current_app.extensions["account"]
    assert isinstance(sandbox_account, Account)
    return sandbox_account


def parse_params(pairs: Iterable[tuple[str, str]]) -> Doc:
    """Decode parameters such as `a[b][0][c]=d` into dictionaries and lists."""
    root: Doc = {}
    for name, value in pairs:
        path = re.findall(r"[^\[\]]+|(?<=\[)(?=\])", name)
        at = root
        for step, following in itertools.pairwise(path):
            at = at.setdefault(step, {})
            assert isinstance(at, dict), following
        at[path[-1] if path[-1] else str(len(at))] = value
    whole = _with_lists(root)
    assert isinstance(whole, dict)
    return whole


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {k: _with_lists(v) for k, v in value.items()}
    if inner and all(k.isdigit() for k in inner):
        return [inner[k] for k in sorted(inner, key=int)]
    return inner


@bp.before_request
def _check_key() -> Response | None:
    sent = request.authorization
    key = (sent.username if sent.type == "basic" else sent.token) or "" if sent else ""
    if key.startswith(("sk_live_", "rk_live_")):
        return answer(ApiError("This is a sandbox. It refuses live keys.", status=403).body, 403)
    if not KEY.fullmatch(key):
        return answer(ApiError("Invalid API Key provided.", status=401).body, 401)
    return None


def answer(doc: Any, status: int = 200) -> Response:
    """A JSON response formatted as Stripe formats it."""
    return Response(
        json.dumps(doc, ensure_ascii=False, indent=1),
        status=status,
        mimetype="application/json",
        headers={"Request-Id": shapes.new_id("req")},
    )


def request_params() -> Doc:
    """The parameters of the request."""
    if request.method == "GET":
        return parse_params(request.args.items(multi=True))
    return parse_params(request.form.items(multi=True))


def fingerprint_of(path: str, params: Doc) -> str:
    """The path and parameters, which must be the same when an idempotency key is reused."""
    return json.dumps([path, params], sort_keys=True)


def run_idempotently(act: Callable[[Doc], Doc]) -> Response:
    """Run `act` at most once for the request's idempotency key, in one transaction, and respond with the object that it returns."""
    params, sandbox_account = request_params(), account()
    key = request.headers.get("Idempotency-Key")
    fingerprint = fingerprint_of(request.path, params)
    with sandbox_account.store.transaction():
        if key and (stored := sandbox_account.store.response(key)):
            return _replay(stored, fingerprint)
        sandbox_account.key = key
        try:
            body, status = _expanded(public(act(params)), params.get("expand")), 200
        except ApiError as error:
            body, status = error.body, error.status
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            body, status = ApiError(f"Invalid request: {error}").body, 400
        if key:
            sandbox_account.store.store_response(key, fingerprint, status, json.dumps(body))
    return answer(body, status)


def _replay(stored: tuple[str, int, str], fingerprint: str) -> Response:
    if stored[0] != fingerprint:
        message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
        return answer(ApiError(message, kind="idempotency_error").body, 400)
    replayed = answer(json.loads(stored[2]), stored[1])
    replayed.headers["Idempotent-Replayed"] = "true"
    return replayed


def _expanded(doc: Doc, paths: Any) -> Doc:
    for path in paths or []:
        first, _, rest = str(path).removeprefix("data.").partition(".")
        value = doc.get(first)
        if isinstance(value, str) and (inner := account().store.get(value)):
            doc[first] = _expanded(public(inner), [rest] if rest else None)
    return doc


def get_object(object_id: str, kind: str) -> Doc:
    """The object. Raises ApiError when there is none with this id and kind."""
    doc = account().store.get(object_id, kind)
    if doc is None:
        raise ApiError(f"No such {kind}: '{object_id}'", status=404, code="resource_missing", param="id")
    return doc


def show_object(object_id: str, kind: str) -> Response:
    """Respond with one object, or with the error that there is none."""
    try:
        return answer(_expanded(public(get_object(object_id, kind)), request_params().get("expand")))
    except ApiError as error:
        return answer(error.body, error.status)


def list_objects(kind: str, matches: Callable[[Doc], bool] = lambda _: True, shape: Callable[[Doc], Doc] = public) -> Response:
    """Respond with a page of the objects that `matches` accepts, newest first."""
    params = request_params()
    limit = min(100, max(1, int(params.get("limit") or 10)))
    created = params.get("created")
    bounds = created if isinstance(created, dict) else {}
    since = max(int(bounds.get("gte") or 0), int(bounds.get("gt") or -1) + 1)
    before = min(int(bounds.get("lt") or 1 << 62), int(bounds.get("lte") or 1 << 62) + 1)
    results: list[Doc] = []
    after = params.get("starting_after")
    while len(results) <= limit:
        page = account().store.newest(kind, limit=500, after=after, since=since)
        results += [shape(doc) for doc in page if matches(doc) and doc["created"] < before]
        if len(page) < 500:
            break
        after = page[-1]["id"]
    shown = [_expanded(doc, params.get("expand")) for doc in results[:limit]]
    return answer({"object": "list", "data": shown, "has_more": len(results) > limit, "url": request.path})
