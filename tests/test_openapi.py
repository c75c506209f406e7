"""The description of the public API (OpenAPI 3.1): it has the fields of the contract and no others, and the service answers as it says, whatever is asked."""

import json
import re
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote as in_url

import jsonschema_rs
import pytest
import schemathesis
from flask import Flask
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis.core.failures import FailureGroup
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from campaign import create_app
from campaign.campaigns import campaign_actions
from campaign.campaigns.campaigns import Campaign
from campaign.config import ROOT, Settings
from campaign.devstack.sandbox.__main__ import Quiet
from campaign.edges.db import close_connections, db
from campaign.matching.funds import Fund
from campaign.operations import heartbeats
from campaign.web.api_schemas import SCHEMAS
from campaign.web.openapi import description
from tests.browser import chromium_path, open_browser, serve
from tests.factories import another_campaign, confirm_charity, create_refund, issue_receipt, paid, start_donation
from tests.scale import examples
from tests.web import SLUG, open_page

DOCUMENT = "/api/openapi.json"
STREAM = "/api/campaigns/{slug}/stream"
DONATION = "/{language}/donations/{token}.json"
# Copied from the contract, section 4.
CONTRACT = {
    "Totals": "campaign currency goal_cents donated_cents matched_cents raised_cents donations donors match as_of",
    "Totals.match": "pledged_cents matched_cents held_cents available_cents",
    "Donation": "state amount_cents covered_fee_cents net_cents matched_cents held_cents receipt as_of",
    "Donation.receipt": "serial status",
}
STATES = "pending processing paid refunded partially_refunded disputed failed expired quarantined"
ROUTES = "/api/campaigns/{slug} /api/campaigns/{slug}/stream /healthz /readyz"
BESIDE_THE_CONTRACT = "/api/campaigns/{slug}/proof /{language}/{slug}/quote /{language}/donations/{token}.json"


def schema_of(app: Flask) -> Any:
    """The description as it is served, with which schemathesis asks the service."""
    return schemathesis.openapi.from_wsgi(DOCUMENT, app)


def operations_of(app: Flask) -> dict[str, Any]:
    """The operations that there are, by path. The stream is another test's: it has no end."""
    found = {operation.path: operation for operation in (result.ok() for result in schema_of(app).get_all_operations())}
    return {path: operation for path, operation in found.items() if path != STREAM}


def ask(operation: Any, **values: Any) -> Any:
    """Ask as described, and check status, content type, headers and JSON. Only /readyz may answer 503 here."""
    case = operation.Case(**values)
    response = case.call()
    excluded = [schemathesis.checks.not_a_server_error] if operation.path == "/readyz" else []
    case.validate_response(response, excluded_checks=excluded)
    return response


def fields_of(schema: dict[str, Any]) -> set[str]:
    assert schema["additionalProperties"] is False and schema["required"] == list(schema["properties"])
    return set(schema["properties"])


def test_the_description_has_the_fields_states_and_routes_of_the_contract_and_no_others(app: Flask) -> None:
    totals, donation = SCHEMAS["Totals"], SCHEMAS["Donation"]
    receipt, none = donation["properties"]["receipt"]["anyOf"]
    described = {"Totals": totals, "Totals.match": totals["properties"]["match"], "Donation": donation, "Donation.receipt": receipt}
    assert {name: fields_of(schema) for name, schema in described.items()} == {name: set(words.split()) for name, words in CONTRACT.items()}
    assert set(donation["properties"]["state"]["enum"]) == set(STATES.split())
    assert set(receipt["properties"]["status"]["enum"]) == {"valid", "replaced", "cancelled"} and none == {"type": "null"}
    for schema in described.values():
        cents = {name: field for name, field in schema["properties"].items() if name.endswith("_cents")}
        assert {field["type"] for field in cents.values()} <= {"integer"}
    assert set(description("")["paths"]) == {*ROUTES.split(), *BESIDE_THE_CONTRACT.split()}
    routes = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule) for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/")}
    assert routes | {STREAM} == {path for path in description("")["paths"] if path.startswith("/api/")} | {DOCUMENT, STREAM}


def test_it_is_a_valid_description_whose_examples_fit(app: Flask) -> None:
    document = json.loads(open_page(app.test_client(), DOCUMENT).text)
    schemathesis.openapi.from_dict(document).validate()
    assert document["openapi"].startswith("3.1") and document["servers"] == [{"url": "http://127.0.0.1:8000"}]
    for name, schema in document["components"]["schemas"].items():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
        for example in schema["examples"]:
            jsonschema_rs.validate(schema, example)
        assert schema["examples"], name
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_control_what_differs_from_the_description_does_not_fit() -> None:
    totals = SCHEMAS["Totals"]["examples"][0]
    fits = jsonschema_rs.validator_for(SCHEMAS["Totals"]).is_valid
    assert fits(totals)
    wrong = [
        {**totals, "emails": []},
        {name: value for name, value in totals.items() if name != "donors"},
        {**totals, "raised_cents": 24_691.34},
        {**totals, "currency": "USD"},
        {**totals, "match": {**totals["match"], "funder": "a name"}},
    ]
    assert [fits(one) for one in wrong] == [False] * 5


def test_control_a_response_that_differs_from_the_description_is_found(app: Flask, campaign: Campaign) -> None:
    db.session.commit()
    served = open_page(app.test_client(), DOCUMENT).text

    def app_with(text: str) -> Any:
        @Request.application
        def answer(request: Request) -> Response:
            if request.path == DOCUMENT:
                return Response(text, mimetype="application/json")
            return Response.from_app(app.wsgi_app, request.environ)

        return schemathesis.openapi.from_wsgi(DOCUMENT, answer)["/api/campaigns/{slug}"]["GET"]

    assert ask(app_with(served), path_parameters={"slug": SLUG}).status_code == 200
    changes = {
        "a field that is not there": ('"donors"', '"givers"'),
        "a status that is not there": ('"200":{"content"', '"201":{"content"'),
        "a header that is not there": ('"Cache-Control"', '"X-Control"'),
        "another type": ('{"const":"CAD"}', '{"type":"integer"}'),
        "another content type": ("application/json", "text/csv"),
    }
    for what, (described, changed) in changes.items():
        assert described in served, what
        with pytest.raises(FailureGroup):
            ask(app_with(served.replace(described, changed)), path_parameters={"slug": SLUG})


def test_it_is_readable_from_other_sites_and_stored_for_an_hour(app: Flask) -> None:
    client = app.test_client()
    first = open_page(client, DOCUMENT)
    assert (first.status_code, first.mimetype, first.headers["Access-Control-Allow-Origin"]) == (200, "application/json", "*")
    assert first.headers["Cache-Control"] == "public, max-age=3600" and "Set-Cookie" not in first.headers
    with app.app_context():
        again = client.get(DOCUMENT, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data, again.headers["Access-Control-Allow-Origin"]) == (304, b"", "*")


def test_the_totals_are_as_described_in_each_state_of_a_campaign(app: Flask, campaign: Campaign, fund: Fund) -> None:
    draft = another_campaign(like=campaign)
    db.session.commit()
    campaign_actions.take_back(draft, actor="test")
    found = operations_of(app)
    for path in ("/api/campaigns/{slug}", "/api/campaigns/{slug}/proof"):
        assert ask(found[path], path_parameters={"slug": SLUG}).status_code == 200
        assert ask(found[path], path_parameters={"slug": draft.slug}).status_code == 404
        assert ask(found[path], path_parameters={"slug": "unknown"}).status_code == 404
    totals = found["/api/campaigns/{slug}"]
    etag = ask(totals, path_parameters={"slug": SLUG}).headers["etag"][0]
    assert ask(totals, path_parameters={"slug": SLUG}, headers={"If-None-Match": etag}).status_code == 304
    paid(campaign, 123_45)
    start_donation(campaign, expected=None)
    db.session.commit()
    assert ask(totals, path_parameters={"slug": SLUG}, headers={"If-None-Match": etag}).json()["donated_cents"] == 123_45
    campaign_actions.close_to_gifts(campaign, actor="test")
    assert ask(totals, path_parameters={"slug": SLUG}).status_code == 200


def test_a_donation_is_as_described_in_its_states_with_and_without_a_receipt(app: Flask, campaign: Campaign, fund: Fund) -> None:
    confirm_charity()
    pending, with_receipt, refunded = start_donation(campaign), paid(campaign), paid(campaign)
    issue_receipt(with_receipt)
    create_refund(refunded, 100_00)
    db.session.commit()
    donation = operations_of(app)[DONATION]
    seen = {}
    for name, gift in {"pending": pending, "with_receipt": with_receipt, "refunded": refunded}.items():
        for language in ("en", "fr"):
            answer = ask(donation, path_parameters={"language": language, "token": gift.token})
            seen[name] = answer.json()
    assert [one["state"] for one in seen.values()] == ["pending", "paid", "refunded"]
    assert (seen["pending"]["receipt"], seen["with_receipt"]["receipt"]["status"]) == (None, "valid")
    assert ask(donation, path_parameters={"language": "en", "token": "a" * 36}).status_code == 404


def test_a_quote_is_as_described_for_amounts_of_all_kinds(app: Flask, campaign: Campaign, fund: Fund) -> None:
    quote = operations_of(app)["/{language}/{slug}/quote"]
    for amount in ("50", "1,234.56", "1 234,56 $", "", "0", "-1", "999999999", "abc", "<script>", "\u202e5", "5" * 300):
        for frequency in ("once", "monthly"):
            for language in ("en", "fr"):
                query = {"amount": amount, "frequency": frequency}
                assert ask(quote, path_parameters={"language": language, "slug": SLUG}, query=query).status_code == 200
    assert ask(quote, path_parameters={"language": "en", "slug": SLUG}).json()["match_cents"] is None
    assert ask(quote, path_parameters={"language": "en", "slug": SLUG}, query={"amount": "50"}).json()["match_cents"] == 50_00
    assert ask(quote, path_parameters={"language": "en", "slug": SLUG}, query={"amount": "\0"}).status_code == 400
    assert ask(quote, path_parameters={"language": "en", "slug": "unknown"}).status_code == 404


def test_the_probes_are_as_described_with_and_without_a_worker(app: Flask, campaign: Campaign) -> None:
    found = operations_of(app)
    assert ask(found["/healthz"]).status_code == 200
    assert ask(found["/readyz"]).status_code == 503
    heartbeats.beat("worker")
    db.session.commit()
    assert ask(found["/readyz"]).status_code == 200


def test_without_a_database_errors_are_as_described_too(settings: Settings) -> None:
    apart = create_app(settings.model_copy(update={"database_url": "postgresql+psycopg://nobody@127.0.0.1:9/none"}))
    found = operations_of(apart)
    values = {"slug": SLUG, "language": "fr", "token": "a" * 36}
    for path, operation in found.items():
        if path == "/healthz":
            continue
        case = operation.Case(path_parameters={name: values[name] for name in re.findall(r"{(\w+)}", path)})
        response = case.call()
        case.validate_response(response, excluded_checks=[schemathesis.checks.not_a_server_error])
        assert response.status_code == 503, path
    with apart.app_context():
        close_connections()


def test_whatever_is_generated_from_the_description_is_answered_as_described(app: Flask, campaign: Campaign) -> None:
    for path, operation in operations_of(app).items():

        @hypothesis_settings(max_examples=examples(50), database=None)
        @given(case=operation.as_strategy())
        def answers_as_described(case: Any) -> None:
            excluded = [schemathesis.checks.not_a_server_error] if case.operation.path == "/readyz" else []
            case.call_and_validate(excluded_checks=excluded)

        answers_as_described()
        for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE"):
            with app.app_context():
                answer = app.test_client().open(re.sub(r"{\w+}", "en", path), method=method)
            assert answer.status_code in {400, 404, 405}, (path, method)


@given(name=st.text(max_size=40), rest=st.sampled_from(["", "/", "/proof", "/quote", ".json", "/../..", "/stream/x"]))
@hypothesis_settings(max_examples=examples(150), database=None)
def test_whatever_is_asked_an_address_that_is_not_there_is_no_error_of_ours(app: Flask, name: str, rest: str) -> None:
    with app.app_context():
        for start in ("/api/campaigns/", "/api/", "/en/donations/", "/fr/"):
            answer = app.test_client().get(f"{start}{in_url(name.encode('utf-8', 'surrogatepass'), safe='')}{rest}")
            assert answer.status_code < 500, (start, name, rest)
            if start.startswith("/api/") and answer.status_code >= 400:
                assert (answer.mimetype, set(answer.get_json()), answer.headers["Access-Control-Allow-Origin"]) == (
                    *("application/json", {"error"}),
                    "*",
                )


def blocks(language: str) -> list[str]:
    """The examples in this language of docs/api.md."""
    found = re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL)
    assert found
    return found


def test_the_documented_json_is_as_described_and_each_documented_route_is_there(app: Flask) -> None:
    [totals] = blocks("json")
    jsonschema_rs.validate(SCHEMAS["Totals"], json.loads(totals))
    routes = re.findall(r"`GET (/\S+)`", (ROOT / "docs" / "api.md").read_text())
    assert set(routes) <= {DOCUMENT, *(path.replace("{slug}", SLUG) for path in description("")["paths"])}
    assert len(routes) == 4


def test_the_documented_python_runs(app: Flask, campaign: Campaign, capsys: pytest.CaptureFixture[str]) -> None:
    paid(campaign, 100_00)
    [program] = blocks("python")
    with serve(app) as address:
        exec(compile(program.replace("https://give.example.org", address), "docs/api.md", "exec"), {"__name__": "example"})
    assert capsys.readouterr().out == "200 dollars from 1 donors\n"


@pytest.fixture
def another_site() -> Iterator[tuple[str, list[str]]]:
    """A site on another origin, and the HTML of its page."""
    shown: list[str] = []

    @Request.application
    def page(request: Request) -> Response:
        return Response(f"<!doctype html><link rel=icon href='data:,'><title>Another site</title>{''.join(shown)}", mimetype="text/html")

    server = make_server("127.0.0.1", 0, page, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.port}", shown
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")
def test_the_documented_html_runs_on_another_site(app: Flask, campaign: Campaign, another_site: tuple[str, list[str]]) -> None:
    paid(campaign, 100_00)
    site, shown = another_site
    errors: list[str] = []
    with serve(app) as address, open_browser() as browser:
        shown += [block.replace("https://give.example.org", address) for block in blocks("html")]
        page = browser.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(site)
        page.wait_for_function("document.getElementById('raised').textContent === '$200.00'")
        page.frame_locator("iframe").get_by_text("$200").first.wait_for()
        page.wait_for_function("document.querySelector('img').naturalWidth > 100")
        [stream] = blocks("js")
        if STREAM.replace("{slug}", "<slug>") in {rule.rule for rule in app.url_map.iter_rules()}:
            page.evaluate(f"() => {{ document.getElementById('raised').textContent = ''; {stream} }}")
            page.wait_for_function("document.getElementById('raised').textContent === '$200.00'")
        page.close()
    assert errors == []
