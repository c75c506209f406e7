"""How the stand-in's API is spoken to, as Stripe's is: keys, form encoding, errors, lists, expansion and idempotency."""

import itertools
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Blueprint, Response, current_app, request

from campaign.sandbox import shapes
from campaign.sandbox.shapes import Doc
from campaign.sandbox.stripe_account import Account, Refused, public

bp = Blueprint("api", __name__, url_prefix="/v1")

KEY = re.compile(r"(sk|rk)_test_\w{8,}")


def account() -> Account:
    """The account of this sandbox."""
    here = current_app.extensions["account"]
    assert isinstance(here, Account)
    return here


def nested(pairs: Iterable[tuple[str, str]]) -> Doc:
    """`a[b][0][c]=d` as dictionaries and lists."""
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
def _known_key() -> Response | None:
    sent = request.authorization
    given = (sent.username if sent.type == "basic" else sent.token) or "" if sent else ""
    if given.startswith(("sk_live_", "rk_live_")):
        return answer(Refused("This is a sandbox. It refuses live keys.", status=403).body, 403)
    if not KEY.fullmatch(given):
        return answer(Refused("Invalid API Key provided.", status=401).body, 401)
    return None


def answer(doc: Any, status: int = 200) -> Response:
    """JSON as Stripe writes it."""
    return Response(
        json.dumps(doc, ensure_ascii=False, indent=1),
        status=status,
        mimetype="application/json",
        headers={"Request-Id": shapes.new_id("req")},
    )


def asked_for() -> Doc:
    """The parameters of the request."""
    if request.method == "GET":
        return nested(request.args.items(multi=True))
    return nested(request.form.items(multi=True))


def fingerprint_of(path: str, asked: Doc) -> str:
    """What must be the same when a key is used again."""
    return json.dumps([path, asked], sort_keys=True)


def do(act: Callable[[Doc], Doc]) -> Response:
    """Run an act once for its idempotency key, as one transaction, and answer with the object that it made."""
    asked, here = asked_for(), account()
    key = request.headers.get("Idempotency-Key")
    fingerprint = fingerprint_of(request.path, asked)
    with here.store.transaction():
        if key and (before := here.store.answer(key)):
            return _again(before, fingerprint)
        here.key = key
        try:
            made, status = _expanded(public(act(asked)), asked.get("expand")), 200
        except Refused as error:
            made, status = error.body, error.status
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            made, status = Refused(f"Invalid request: {error}").body, 400
        if key:
            here.store.keep_answer(key, fingerprint, status, json.dumps(made))
    return answer(made, status)


def _again(before: tuple[str, int, str], fingerprint: str) -> Response:
    if before[0] != fingerprint:
        message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
        return answer(Refused(message, kind="idempotency_error").body, 400)
    replayed = answer(json.loads(before[2]), before[1])
    replayed.headers["Idempotent-Replayed"] = "true"
    return replayed


def _expanded(doc: Doc, paths: Any) -> Doc:
    for path in paths or []:
        first, _, rest = str(path).removeprefix("data.").partition(".")
        value = doc.get(first)
        if isinstance(value, str) and (inner := account().store.get(value)):
            doc[first] = _expanded(public(inner), [rest] if rest else None)
    return doc


def found(object_id: str, kind: str) -> Doc:
    """The object; Refused when there is none of that kind."""
    doc = account().store.get(object_id, kind)
    if doc is None:
        raise Refused(f"No such {kind}: '{object_id}'", status=404, code="resource_missing", param="id")
    return doc


def show(object_id: str, kind: str) -> Response:
    """One object."""
    try:
        return answer(_expanded(public(found(object_id, kind)), asked_for().get("expand")))
    except Refused as error:
        return answer(error.body, error.status)


def listed(kind: str, keep: Callable[[Doc], bool] = lambda _: True, show: Callable[[Doc], Doc] = public) -> Response:
    """A page of objects, newest first."""
    asked = asked_for()
    limit = min(100, max(1, int(asked.get("limit") or 10)))
    created = asked.get("created")
    bounds = created if isinstance(created, dict) else {}
    since = max(int(bounds.get("gte") or 0), int(bounds.get("gt") or -1) + 1)
    before = min(int(bounds.get("lt") or 1 << 62), int(bounds.get("lte") or 1 << 62) + 1)
    kept: list[Doc] = []
    after = asked.get("starting_after")
    while len(kept) <= limit:
        page = account().store.newest(kind, limit=500, after=after, since=since)
        kept += [show(doc) for doc in page if keep(doc) and doc["created"] < before]
        if len(page) < 500:
            break
        after = page[-1]["id"]
    shown = [_expanded(doc, asked.get("expand")) for doc in kept[:limit]]
    return answer({"object": "list", "data": shown, "has_more": len(kept) > limit, "url": request.path})
