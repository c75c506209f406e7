"""Requests that no page can serve: with a NUL, which PostgreSQL cannot store, or with a number that no row has."""

from typing import Any

from flask import Flask, abort, request
from werkzeug.routing import IntegerConverter, Map

LARGEST_ROW = 2**63 - 1
NUL = "\0"


class RowNumber(IntegerConverter):
    """The number of a row in a path: at most PostgreSQL's largest bigint. Larger ones are unknown addresses."""

    def __init__(self, rules: Map, *args: Any, **options: Any) -> None:
        super().__init__(rules, *args, **{"max": LARGEST_ROW, **options})


def init_app(app: Flask) -> None:
    """Check each request before it is routed to a view. Call it before any route is registered."""
    app.url_map.converters["int"] = RowNumber
    app.before_request(_refuse_nul)


def _refuse_nul() -> None:
    if NUL in request.path:
        abort(404)
    if any(NUL in value for values in request.args.listvalues() for value in values):
        abort(400)
