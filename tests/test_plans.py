"""What is asked for on each page of staff does not read a whole table that grows with the donations, and not the same for each line of the page."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, event, text

from campaign.campaigns.charities import list_charities
from campaign.cli.bulk_seeds import load
from campaign.edges.db import db
from campaign.privacy import privacy_request_actions
from campaign.privacy.privacy_requests import NewRequest, RequestKind
from campaign.web.staff import add_up
from tests.factories import today
from tests.web import open_page, signed_in

GROWING = {
    *("donation", "donor", "ledger_entry", "donation_match", "match_queue", "campaign_donor", "stripe_event", "balance_transaction"),
    *("outbox", "frozen_email", "delivery_attempt", "receipt", "receipt_line"),
    *("donor_access", "donor_move", "email_change", "contact_change"),
}
REPEATED = 3
# Of many gifts, what adds them up asks first: docs/speed.md says how long that takes.
PAGES = (
    "/staff/",
    "/staff/receipts",
    "/staff/receipts/returns",
    "/staff/money/months",
    "/staff/search?q=tremblay",
    "/staff/search?q=12",
    "/staff/mail",
    "/staff/events",
    "/staff/holds",
    "/staff/quarantine",
    "/staff/funds",
    "/staff/returned-gifts",
    "/staff/donors?q=roy",
    "/staff/donors/{donor_id}",
    "/staff/donors/{donor_id}/merges?q=roy",
    "/staff/privacy-requests/{request_id}?q=somebody@example.org",
)


@pytest.fixture
def plans(app: Flask) -> Iterator[list[dict[str, object]]]:
    """The nodes of the plans of all queries, without scans of whole tables where an index will do."""
    nodes: list[dict[str, object]] = []
    is_explaining, executions = False, 0

    @event.listens_for(db.engine, "before_cursor_execute")
    def explain(connection: Connection, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        nonlocal is_explaining, executions
        if (
            is_explaining
            or not statement.lstrip().upper().startswith(("SELECT", "WITH"))
            or "FOR UPDATE" in statement
            or "pg_index" in statement
        ):
            return
        is_explaining = True
        cursor = connection.connection.cursor()
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
        row = cursor.fetchone()
        assert row
        executions += 1
        nodes.extend({**node, "statement": statement, "execution": executions} for node in _nodes(row[0][0]["Plan"]))
        is_explaining = False

    yield nodes
    event.remove(db.engine, "before_cursor_execute", explain)


def _nodes(plan: dict[str, object], *, is_limited: bool = False) -> Iterator[dict[str, object]]:
    yield {**plan, "is_limited": is_limited}
    children = plan.get("Plans", [])
    assert isinstance(children, list)
    for child in children:
        yield from _nodes(child, is_limited=is_limited or plan["Node Type"] == "Limit")


def whole_scans(client: FlaskClient, path: str, plans: list[dict[str, object]]) -> list[str]:
    """The growing tables that are read from end to end for the page, itself or by an index without a condition."""
    plans.clear()
    assert open_page(client, path).status_code == 200
    assert plans
    partial = set(db.session.execute(text("SELECT indexrelid::regclass::text FROM pg_index WHERE indpred IS NOT NULL")).scalars())
    found = []
    for node in plans:
        has_condition = "Index Cond" in node or node.get("Index Name") in partial or (node["is_limited"] and "Filter" not in node)
        if (
            node.get("Relation Name") in GROWING
            and "Scan" in str(node["Node Type"])
            and "Bitmap" not in str(node["Node Type"])
            and not has_condition
        ):
            found.append(f"{node['Relation Name']}: {str(node['statement'])[:200]}")
    return found


def repeated(plans: list[dict[str, object]]) -> list[str]:
    """The queries that the page makes more than a few times."""
    counts = Counter(statement for statement, _ in {(str(node["statement"]), node["execution"]) for node in plans})
    return [f"{count} times: {statement[:200]}" for statement, count in counts.items() if count > REPEATED]


@pytest.mark.owner
def test_no_page_reads_a_whole_table_of_gifts(app: Flask, plans: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(add_up, "SUMMED_AT_ONCE", 0)
    load.load_history(1000, seed=1)
    client = signed_in(app, "manager")
    donor_id = db.session.scalar(
        text("SELECT donor_id FROM donation WHERE received_at IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")
    )
    new = NewRequest(kind=RequestKind.ACCESS, received_on=today(), person="Somebody", contact="by phone")
    request_id = privacy_request_actions.record(list_charities()[0].id, new, actor="clerk@example.org").id
    for path in PAGES:
        assert whole_scans(client, path.format(donor_id=donor_id, request_id=request_id), plans) == [], path
        assert repeated(plans) == [], path
    # The list of donors walks them by their key until its page is full, as nearly every one has a gift, which an index finds.
    assert {scan.partition(":")[0] for scan in whole_scans(client, "/staff/donors", plans)} <= {"donor"}
    whole_scans(client, "/staff/stripe", plans)
    assert "ix_balance_transaction_source" in {node.get("Index Name") for node in plans}
    db.session.execute(text("DROP INDEX ix_stripe_event_dead, ix_outbox_dead, ix_email_change_lower_new"))
    db.session.commit()
    for path in ("/staff/mail", "/staff/events", PAGES[-1]):
        assert whole_scans(client, path.format(request_id=request_id), plans), f"a page without its index is not found: {path}"
