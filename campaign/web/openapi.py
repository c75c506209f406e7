"""The description of the public API in OpenAPI 3.1, for developers of other sites and their programs. A test compares it with what the service answers."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, jsonify

from campaign.edges.services import services
from campaign.web.api_schemas import SCHEMAS, Schema
from campaign.web.public.drawings import share
from campaign.web.security import access, shared

bp = Blueprint("openapi", __name__)

LIFETIME = timedelta(hours=1)
JSON = "application/json"

SLUG: Schema = {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 60}
TOKEN: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]{36}$"}
LANGUAGE: Schema = {"type": "string", "enum": ["en", "fr"]}


@bp.get("/api/openapi.json")
@access("public")
@shared()
def document() -> Response:
    """The description, readable from other origins."""
    response = share(jsonify(description(services().links.base_url)), lifetime=LIFETIME)
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def description(base_url: str) -> dict[str, Any]:
    """The description of the API at this address."""
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Matched donations",
            "version": "1",
            "summary": "The public figures of a campaign, and the state of a donation.",
            "description": "Sums are integers in cents of Canadian dollars. Fields are added only with a new version; none changes its meaning.",
        },
        "servers": [{"url": base_url}],
        "paths": {
            "/api/campaigns/{slug}": {"get": _totals()},
            "/api/campaigns/{slug}/stream": {"get": _stream()},
            "/api/campaigns/{slug}/proof": {"get": _proof()},
            "/{language}/donations/{token}.json": {"get": _donation()},
            "/{language}/{slug}/quote": {"get": _quote()},
            "/healthz": {"get": _operation("alive", "Whether the process answers", {"200": _json("Alive", "It does.")})},
            "/readyz": {"get": _ready()},
        },
        "components": {"schemas": SCHEMAS},
    }


def _operation(name: str, summary: str, responses: dict[str, Any], *parameters: dict[str, Any], description: str = "") -> dict[str, Any]:
    found = {"operationId": name, "summary": summary, "parameters": list(parameters), "responses": responses}
    return found | ({"description": description} if description else {})


def _in_path(name: str, schema: Schema, description: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": description}


_SLUG = _in_path("slug", SLUG, "The name of the campaign in its addresses.")
_LANGUAGE = _in_path("language", LANGUAGE, "The language of what is in words.")


def _json(schema: str, description: str, **headers: dict[str, Any]) -> dict[str, Any]:
    content = {JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    named = {name.replace("_", "-"): header for name, header in headers.items()}
    return {"description": description, "content": content} | ({"headers": named} if named else {})


def _header(description: str, schema: Schema) -> dict[str, Any]:
    return {"description": description, "required": True, "schema": schema}


_ANY_ORIGIN = {"Access_Control_Allow_Origin": _header("Pages of all sites may read it.", {"const": "*"})}
_NOT_FOUND = _json("Error", "There is no public campaign of this name.", **_ANY_ORIGIN)
_RETRY = _header("After how many seconds to try again.", {"type": "string", "pattern": "^[0-9]+$"})
_DATABASE = "The database is away."
_UNAVAILABLE = {"503": _json("Error", _DATABASE, Retry_After=_RETRY)}


def _cached(seconds: int) -> dict[str, Any]:
    return _header("For how long it may be stored.", {"const": f"public, max-age={seconds}"})


def _totals() -> dict[str, Any]:
    etag = _header("Changes when a sum changes.", {"type": "string", "pattern": '^"[0-9a-f]{32}"$'})
    unchanged = {"description": "No sum has changed since the response with this ETag.", "headers": {"ETag": etag}}
    known: dict[str, Any] = {
        "name": "If-None-Match",
        "in": "header",
        "schema": {"type": "string", "pattern": '^"[0-9a-f]{32}"$'},
        "description": "The ETag of the response that you have.",
    }
    answer = _json("Totals", "The sums now.", ETag=etag, Cache_Control=_cached(1), **_ANY_ORIGIN)
    return _operation(
        "totals", "The sums of a campaign", {"200": answer, "304": unchanged, "404": _NOT_FOUND, **_UNAVAILABLE}, _SLUG, known
    )


def _stream() -> dict[str, Any]:
    events = {
        "description": "Server-sent events named `totals`, each with an id. The data of each is the JSON of `Totals`: first as it is now, and then "
        "whenever a sum changes. A comment is sent now and then; the stream ends after some minutes, and says when to connect again.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
    return _operation("stream", "The same, pushed", {"200": events, "404": _NOT_FOUND, **_UNAVAILABLE}, _SLUG)


def _proof() -> dict[str, Any]:
    answer = _json("Heads", "The heads that were published last.", Cache_Control=_cached(60), **_ANY_ORIGIN)
    return _operation("proof", "The signed ends of a campaign’s hash chains", {"200": answer, "404": _NOT_FOUND, **_UNAVAILABLE}, _SLUG)


def _donation() -> dict[str, Any]:
    token = _in_path("token", TOKEN, "From the link in the donor’s emails. Whoever has it sees the donation: keep it secret.")
    unknown = _json("Error", "No donation has this token.")
    private = _header("It is nobody else’s.", {"const": "private, no-store"})
    answer = _json("Donation", "The donation now.", Cache_Control=private)
    what = "Pages of other sites cannot read it."
    return _operation("donation", "One donation", {"200": answer, "404": unknown, **_UNAVAILABLE}, _LANGUAGE, token, description=what)


def _quote() -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {
            "name": "amount",
            "in": "query",
            "schema": {"type": "string"},
            "description": "As people write it in this language: `50`, `1,234.56`, `1 234,56 $`.",
            "example": "50",
        },
        {"name": "frequency", "in": "query", "schema": {"type": "string", "enum": ["once", "monthly"]}},
    ]
    page = {"text/html": {"schema": {"type": "string"}}}
    unknown = {"description": "There is no public campaign of this name.", "content": page}
    unreadable = {"description": "A parameter has a character that no text has.", "content": page}
    unavailable = {"description": _DATABASE, "content": page, "headers": {"Retry-After": _RETRY}}
    answer = _json("Quote", "The match now.", Cache_Control=_header("It is true of this moment.", {"const": "no-store"}))
    responses = {"200": answer, "400": unreadable, "404": unknown, "503": unavailable}
    what = "Made for the campaign’s own page: pages of other sites cannot read it, and its words and HTML may change."
    return _operation("quote", "What an amount would be matched with", responses, _LANGUAGE, _SLUG, *parameters, description=what)


def _ready() -> dict[str, Any]:
    responses = {"200": _json("Ready", "They are."), "503": _json("NotReady", "They are not, and why.")}
    return _operation("ready", "Whether donations are taken and processed", responses)
