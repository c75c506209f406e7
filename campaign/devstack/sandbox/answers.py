"""The conventions of Stripe's API: keys, form encoding, errors, lists and idempotency."""

import itertools
import json
import operator
import re
from collections.abc import Callable, Collection, Iterable
from typing import Any

from flask import Blueprint, Response, current_app, request

from campaign.devstack.sandbox import account_setup, shapes
from campaign.devstack.sandbox.errors import ApiError, public
from campaign.devstack.sandbox.expansion import expanded
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.stripe_account import Account

bp = Blueprint("api", __name__, url_prefix="/v1")

PAGING = {"limit", "starting_after", "ending_before", "expand"}
MAX_IDEMPOTENCY_KEY = 255
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
            if not isinstance(at, dict):
                raise ApiError(f"Invalid request: {name} is both a value and an object, at {following or 'its end'}.", param=name)
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


def sent_key() -> str:
    """The API key of the request."""
    sent = request.authorization
    return (sent.username if sent.type == "basic" else sent.token) or "" if sent else ""


@bp.before_request
def _check_key() -> Response | None:
    key, only = sent_key(), account_setup.setting(account().store, "only_key", "")
    if key.startswith(("sk_live_", "rk_live_")):
        return answer(ApiError("This is a sandbox. It refuses live keys.", status=403).body, 403)
    if not KEY.fullmatch(key) or (only and key != only):
        return answer(ApiError(f"Invalid API Key provided: {account_setup.masked(key)}", status=401).body, 401)
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
    """The parameters of the request: in its body when it is posted, otherwise in its address."""
    return parse_params((request.form if request.method == "POST" else request.args).items(multi=True))


def fingerprint_of(path: str, params: Doc) -> str:
    """The path and parameters, which must be the same when an idempotency key is reused."""
    return json.dumps([path, params], sort_keys=True)


def run_idempotently(act: Callable[[Doc], Doc]) -> Response:
    """Run `act` at most once for the request's idempotency key, in one transaction, and respond with the object that it returns."""
    params, sandbox_account = request_params(), account()
    key = request.headers.get("Idempotency-Key")
    if key and len(key) > MAX_IDEMPOTENCY_KEY:
        return answer(ApiError(f"Idempotency key must be {MAX_IDEMPOTENCY_KEY} characters or less.", kind="idempotency_error").body, 400)
    fingerprint = fingerprint_of(request.path, params)
    with sandbox_account.store.transaction():
        if key and (stored := sandbox_account.store.response(key)):
            return _replay(stored, fingerprint)
        sandbox_account.key = key
        try:
            body, status = expanded(sandbox_account.store, public(act(params)), params.get("expand")), 200
        except ApiError as error:
            body, status = error.body, error.status
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            body, status = ApiError(f"Invalid request: {error}").body, 400
        if key:
            sandbox_account.store.store_response(key, fingerprint, status, json.dumps(body))
    return answer(body, status)


def _replay(stored: tuple[str, int, str], fingerprint: str) -> Response:
    if stored[0] != fingerprint:
        message = (
            "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than"
            f" '{request.headers['Idempotency-Key']}' if you meant to execute a different request."
        )
        return answer(ApiError(message, kind="idempotency_error").body, 400)
    replayed = answer(json.loads(stored[2]), stored[1])
    replayed.headers["Idempotent-Replayed"] = "true"
    return replayed


def get_object(object_id: str, kind: str) -> Doc:
    """The object. Raises ApiError when there is none with this id and kind."""
    doc = account().store.get(object_id, kind)
    if doc is None:
        raise ApiError(f"No such {kind}: '{object_id}'", status=404, code="resource_missing", param="id")
    return doc


def show_object(object_id: str, kind: str) -> Response:
    """Respond with one object, or with the error that there is none."""
    try:
        return answer(expanded(account().store, public(get_object(object_id, kind)), request_params().get("expand")))
    except ApiError as error:
        return answer(error.body, error.status)


def list_objects(kind: str, matches: Callable[[Doc], bool] = lambda _: True, *, handled: Collection[str] = ()) -> Response:
    """Respond with a page of the objects that `matches` accepts and whose fields are as the other parameters say, newest first.

    `handled` are the parameters that `matches` has considered.
    """
    params = request_params()
    try:
        found = _page(kind, params, lambda doc: matches(doc) and _has_fields(doc, params, handled))
    except ApiError as error:
        return answer(error.body, error.status)
    limit = int(params.get("limit") or 10)
    paths = [str(path).removeprefix("data.") for path in params.get("expand") or []]
    shown = found[:limit] if "ending_before" not in params else found[-limit:]
    data = [expanded(account().store, public(doc), paths) for doc in shown]
    return answer({"object": "list", "data": data, "has_more": len(found) > limit, "url": request.path})


def _page(kind: str, params: Doc, matches: Callable[[Doc], bool]) -> list[Doc]:
    """The matching objects after or before the cursor, newest first, at least one more than the page has if there are more."""
    store, limit = account().store, int(params.get("limit") or 10)
    cursor = params.get("starting_after") or params.get("ending_before")
    if cursor and store.get(cursor, kind) is None:
        name = "starting_after" if "starting_after" in params else "ending_before"
        raise ApiError(f"No such {kind}: '{cursor}'", param=name, code="resource_missing")
    is_backwards = "ending_before" in params
    created = params.get("created")
    bounds = created if isinstance(created, dict) else {"gte": created} if created else {}
    since = max(int(bounds.get("gte") or 0), int(bounds.get("gt") or -1) + 1)
    results: list[Doc] = []
    after = None if is_backwards else cursor
    while is_backwards or len(results) <= limit:
        page = store.newest(kind, limit=500, after=after, since=since)
        for doc in page:
            if is_backwards and doc["id"] == cursor:
                return results
            if matches(doc):
                results.append(doc)
        if len(page) < 500:
            break
        after = page[-1]["id"]
    return results


def _has_fields(doc: Doc, params: Doc, handled: Collection[str]) -> bool:
    return all(_has_field(doc, name, value) for name, value in params.items() if name not in PAGING and name not in handled)


def _has_field(doc: Doc, name: str, value: Any) -> bool:
    if name == "ids":
        return doc["id"] in value
    actual: Any = doc.get(name)
    if isinstance(value, dict):  # A range of timestamps, or fields of an object.
        compare: dict[str, Callable[[Any, Any], bool]] = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
        return all(
            compare[key](actual, int(bound)) if key in compare else _has_field(actual or {}, key, bound) for key, bound in value.items()
        )
    shown = str(actual).lower() if isinstance(actual, bool) else str(actual)
    return shown == str(value)
