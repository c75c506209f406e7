"""Sealed campaigns in tests."""

from datetime import UTC, datetime

from sqlalchemy import text

from campaign.campaigns import campaign_actions
from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.ledger.entries import Entry, post_entries
from campaign.ledger.moves import Move
from campaign.matching import fund_actions, fund_lifecycle, funds
from campaign.matching.funds import Fund, FundStatus
from campaign.operations.integrity_checks import IntegrityCheck
from campaign.reporting import seal_actions, seal_blockers
from campaign.reporting.seal_blockers import BlockerKind
from campaign.stripe_sync import reconciliations
from tests.factories import account_balance, create_pledgers, paid
from tests.fund_calls import issue_call
from tests.funder_payments import create_funder, record, run

ONE, TWO = "asks@pledges.example.org", "agrees@pledges.example.org"


def end(campaign: Campaign) -> None:
    """Close the campaign and end its funds."""
    campaign_actions.close_to_gifts(campaign, actor="test")
    for fund in funds.funds_of(campaign.id):
        if fund.status is not FundStatus.ENDED:
            fund_actions.apply(fund_lifecycle.end, fund, actor="test", reason="it is over")


def pay_out(campaign: Campaign) -> None:
    """Post that all of the campaign's money at Stripe was paid out."""
    if cents := account_balance(campaign):
        post_entries(
            Entry(
                kind=Move.PAYOUT,
                source="stripe",
                target="bank",
                cents=cents,
                campaign_id=campaign.id,
                reference=f"payout:po_test:{campaign.id}:1",
                cause="po_test",
            )
        )
        db.session.commit()


def check(campaign: Campaign) -> None:
    """Record that the books are compared with Stripe's and checked, and that nothing was found."""
    run = reconciliations.start(since=datetime(2020, 1, 1, tzinfo=UTC), actor="test")
    db.session.commit()
    reconciliations.finish(run, [], compared={})
    db.session.add(IntegrityCheck(milliseconds=1, findings=[], point=None))
    db.session.commit()


def send_all_mail() -> None:
    """Mark all messages as delivered."""
    db.session.execute(text("UPDATE outbox SET done_at = now() WHERE done_at IS NULL"))
    db.session.commit()


def make_ready(campaign: Campaign) -> None:
    """End all that is open of the campaign, but for its funders' accounts."""
    end(campaign)
    pay_out(campaign)
    send_all_mail()
    check(campaign)


def seal(campaign: Campaign) -> None:
    """Seal a campaign of which nothing is open, by two members of staff."""
    asks, agrees = create_pledgers()
    request = seal_actions.request_seal(campaign, actor=asks, reason="it is over")
    seal_actions.decide_seal(request, agrees=True, actor=agrees)


def seal_in_sql(campaign: Campaign) -> None:
    """Seal a campaign by SQL, whatever is open of it that the database does not check."""
    asks, agrees = create_pledgers()
    db.session.execute(
        text(
            "INSERT INTO seal_request (campaign_id, requested_by, reason, decided_by, decision, decided_at) "
            "VALUES (:campaign, :asks, 'it is over', :agrees, 'agreed', now())"
        ),
        {"campaign": campaign.id, "asks": asks, "agrees": agrees},
    )
    db.session.execute(
        text("INSERT INTO campaign_seal (campaign_id, request_id) SELECT campaign_id, id FROM seal_request WHERE campaign_id = :campaign"),
        {"campaign": campaign.id},
    )
    db.session.commit()
    db.session.expire_all()


def kinds(campaign: Campaign) -> set[BlockerKind]:
    return {blocker.kind for blocker in seal_blockers.blockers_of(campaign)}


def squared(campaign: Campaign, fund: Fund) -> Donation:
    """A gift whose match is called and paid, of a campaign of which nothing is open any more."""
    donation = paid(campaign, 300_00)
    create_funder(fund)
    issue_call(fund)
    record(fund, 300_00)
    make_ready(campaign)
    return donation


def stored_event(_campaign: Campaign, _donation: Donation) -> None:
    run(
        "INSERT INTO stripe_event (event_id, type, subject, livemode, body, source) "
        "VALUES ('evt_1', 'charge.refunded', 'pi_1', false, '{}', 'webhook')"
    )
