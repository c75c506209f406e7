"""No fund, total or counter is locked while something is rendered, sent or written to whoever reads it: a slow reader delays nobody."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

from campaign.campaigns.campaigns import Campaign
from campaign.cli.setup import create_funder_link
from campaign.cli.statements import statement as statement_command
from campaign.config import Settings
from campaign.donations.donations import Donation
from campaign.edges import pdf, smtp
from campaign.edges.db import db
from campaign.edges.stripe.client import Urllib3Client
from campaign.matching.funds import Fund
from campaign.payments import refund_jobs
from campaign.receipts import receipt_actions
from campaign.recurring import recurring_actions, recurring_gifts
from campaign.reporting import proofs, statement_actions
from campaign.reporting.statements import lines as statement_lines
from campaign.reporting.statements import statement as statements
from campaign.schedule import schedule_jobs
from campaign.stripe_sync import reconcile_jobs
from tests.conftest import Post, Stripe
from tests.factories import paid
from tests.mail import make_due
from tests.stripe import pay_at_stripe
from tests.web import send

LOCKED = """
    SELECT c.relname, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.mode IN ('RowShareLock', 'RowExclusiveLock')
      AND c.relname IN ('fund', 'campaign', 'campaign_totals', 'receipt_series', 'match_queue', 'ledger_entry')
"""
# Where something is rendered, sent or asked of Stripe.
SLOW: list[tuple[Any, str]] = [(pdf, "render"), (smtp, "send"), (Urllib3Client, "request")]


class Watch:
    """Reads the locks of the database whenever something slow begins, from a connection of its own."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connection = psycopg.connect(settings.database_url.replace("+psycopg", ""), autocommit=True)
        self.seen: set[str] = set()
        for owner, name in SLOW:
            monkeypatch.setattr(owner, name, self.watched(name, getattr(owner, name)))

    def watched(self, name: str, slow: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            self.check(name)
            return slow(*arguments, **named)

        return watched

    def check(self, name: str) -> None:
        self.seen.add(name)
        assert self.connection.execute(LOCKED).fetchall() == [], f"during {name}"


@pytest.fixture
def watch(app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    watch = Watch(settings, monkeypatch)
    yield watch
    watch.connection.close()


def test_control_a_locked_fund_is_seen(app: Flask, fund: Fund, watch: Watch) -> None:
    statements.lock_end(fund)
    with pytest.raises(AssertionError, match="RowShareLock"):
        watch.check("control")
    db.session.rollback()
    watch.check("control")


def test_payments_receipts_and_emails_lock_nothing_while_they_wait(
    app: Flask, campaign: Campaign, stripe: Stripe, post: Post, watch: Watch
) -> None:
    for language, form in (("fr", {}), ("en", {"frequency": "monthly", "email": "monthly@example.org"})):
        with app.app_context():
            assert send(app.test_client(), language, **form).status_code == 303
    once, monthly = db.session.query(Donation).order_by(Donation.id)
    for donation in (once, monthly):
        pay_at_stripe(stripe, donation)
    schedule_jobs.poll_stripe()
    make_due()
    schedule_jobs.run_due_work()
    db.session.expire_all()
    gift = recurring_gifts.recurring_gift_of(monthly)
    assert gift
    recurring_actions.change_amount(gift, 50_00)
    refund_jobs.refund(once, 10_00, actor="test", reason="test")
    schedule_jobs.poll_stripe()
    receipt_actions.replace_lost(monthly, actor="test", reason="lost")
    make_due()
    schedule_jobs.run_due_work()
    recurring_actions.cancel(gift)
    reconcile_jobs.reconcile(since=None, actor="test")
    assert watch.seen == {"render", "send", "request"}


def test_a_statement_locks_nothing_while_it_is_rendered_or_read(
    app: Flask, campaign: Campaign, fund: Fund, watch: Watch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(proofs, "READ_SIZE", 2)
    monkeypatch.setattr(statement_lines, "PAGE_SIZE", 2)
    for _ in range(3):
        paid(campaign, 10_00)
    token = create_funder_link(fund).rpartition("/")[2]
    db.session.commit()
    client = app.test_client()
    with app.app_context():
        client.get(f"/funder/links/{token}")
    for form in ("pdf", "csv", "xlsx", "json"):
        with app.app_context():
            address = client.get(f"/funder/report.{form}").headers["Location"]
            response = client.get(address, buffered=False)
            for _ in response.response:
                watch.check(f"a piece of the {form}")
        result = app.test_cli_runner().invoke(statement_command, [fund.slug, "--format", form, "--output", str(tmp_path / form)])
        assert result.exit_code == 0, result.output
    found = statement_actions.take_statement(fund)
    for number, _ in enumerate(statement_actions.build_json(found)):
        watch.check(f"piece {number}")
        assert not db.session().in_transaction(), "a reader that stops for a minute keeps no transaction open"
    assert {"render", "a piece of the json", "piece 3"} <= watch.seen
