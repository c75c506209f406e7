"""Two people seal a campaign of which nothing is open, and nothing of it moves afterwards: in operations, at Stripe, and in SQL."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError, IntegrityError

from campaign.campaigns import campaign_actions, seals
from campaign.campaigns.campaign_actions import ActImpossible
from campaign.campaigns.campaigns import Campaign, CampaignStatus
from campaign.campaigns.seals import SealRequest
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.ledger.entries import LedgerEntry
from campaign.mail import send_jobs
from campaign.matching.funds import Fund, FundStatus
from campaign.payments import alerts, quarantine, refunds, settlement
from campaign.payments.alerts import AlertKind
from campaign.payments.quarantine import Anomaly
from campaign.payments.refunds import RefundRefused
from campaign.reporting import seal_actions, seal_blockers, staff_todo
from campaign.reporting.integrity import checker
from campaign.reporting.published_heads import PublishedHead
from campaign.reporting.seal_blockers import BlockerKind
from campaign.staff.audit import AuditEntry
from campaign.stripe_sync import balance_transactions, payouts
from campaign.stripe_sync.reconciliations import Reconciliation
from campaign.texts.action_errors import ActionError
from tests import seals as sealed
from tests.conftest import Post
from tests.factories import (
    another_campaign,
    balance_transaction_of,
    create_fund,
    create_pledgers,
    create_refund,
    end,
    paid,
    pay,
    payment_of,
    run_concurrently,
    start_donation,
)
from tests.funder_payments import mails_to, record, refusal_of, run
from tests.seals import ONE, TWO, kinds, squared, stored_event

INSERT_ENTRY = "INSERT INTO ledger_entry (kind, from_account, to_account, cents, campaign_id, fund_id, reference, cause)"


@pytest.fixture(autouse=True)
def pledgers(app: Flask) -> None:
    create_pledgers()


def findings() -> list[str]:
    """What the checker finds of sealed campaigns: mail and payouts are not real here."""
    return [finding for finding in checker.findings(db.engine) if not finding.startswith(("I14", "I11: the journal"))]


def entries() -> int:
    db.session.rollback()
    return db.session.scalar(text("SELECT count(*) FROM ledger_entry")) or 0


def test_two_people_seal_a_campaign_and_its_last_heads_are_published(campaign: Campaign, fund: Fund, post: Post) -> None:
    squared(campaign, fund)
    assert seal_blockers.blockers_of(campaign) == []
    request = seal_actions.request_seal(campaign, actor=ONE, reason="all is paid")
    assert staff_todo.todo_of(campaign).seals == 1
    assert refusal_of(lambda: seal_actions.decide_seal(request, agrees=True, actor=ONE)) is ActionError.ANOTHER_PERSON
    assert refusal_of(lambda: seal_actions.request_seal(campaign, actor=TWO, reason="again")) is ActionError.SEAL_IS_REQUESTED
    seal_actions.decide_seal(request, agrees=True, actor=TWO)

    assert campaign.status is CampaignStatus.SEALED and campaign.is_public and not campaign.takes_gifts
    db.session.refresh(fund)
    assert fund.sealed_at == campaign.sealed_at and fund.status is FundStatus.ENDED
    seal = seals.seal_of(campaign)
    assert seal is not None and seal.sealed_at == campaign.sealed_at
    published = {(head.chain, head.position, head.hash.hex()) for head in db.session.scalars(select(PublishedHead))}
    ends = {(chain, head["position"], head["hash"]) for chain, head in seal.heads.items()}
    assert ends == {one for one in published if one[0] in seal.heads} and len(ends) == 3
    assert staff_todo.todo_of(campaign).seals == 0
    actions = db.session.scalars(select(AuditEntry.action).where(AuditEntry.subject == campaign.slug).order_by(AuditEntry.id)).all()
    assert actions[-2:] == [seal_actions.ASKED, seal_actions.AGREED]
    send_jobs.send_due()
    for address in (ONE, TWO):
        decided, asked = mails_to(post, address)
        assert "is sealed for ever" in decided and "asks to seal" in asked and "/staff/campaigns/vision-sanaa-richard/seal" in decided
    assert findings() == []


def test_a_request_is_withdrawn_or_refused_and_nothing_is_sealed(campaign: Campaign, fund: Fund) -> None:
    squared(campaign, fund)
    for actor in (ONE, TWO):
        request = seal_actions.request_seal(campaign, actor=ONE, reason="all is paid")
        seal_actions.decide_seal(request, agrees=False, actor=actor)
        assert refusal_of(lambda: seal_actions.decide_seal(request, agrees=True, actor=TWO)) is ActionError.SEAL_IS_DECIDED  # noqa: B023
        sealed.send_all_mail()
    assert campaign.sealed_at is None and seals.open_for(campaign) is None


def test_what_opens_after_the_request_stops_the_agreement(campaign: Campaign, fund: Fund) -> None:
    donation = squared(campaign, fund)
    request = seal_actions.request_seal(campaign, actor=ONE, reason="all is paid")
    create_refund(donation, 10_00, status="pending")
    db.session.commit()
    assert refusal_of(lambda: seal_actions.decide_seal(request, agrees=True, actor=TWO)) is ActionError.NOT_READY_TO_SEAL
    assert campaign.sealed_at is None


def open_alert(campaign: Campaign, donation: Donation) -> None:
    alerts.raise_alert(alerts.Alert(kind=AlertKind.NOT_TAKEN, object_id="in_1", donation_id=donation.id, detail={}))


def open_refund_request(campaign: Campaign, donation: Donation) -> None:
    refunds.request_refund(donation, 10_00, actor=ONE, reason="asked")


def dispute(campaign: Campaign, donation: Donation) -> None:
    create_refund(donation, 10_00, kind="dispute", status="needs_response")


def quarantined(campaign: Campaign, donation: Donation) -> None:
    quarantine.quarantine_payment(payment_of(donation, payment_intent="pi_twice"), donation, Anomaly.SECOND)


def stored_fee(campaign: Campaign, donation: Donation) -> None:
    balance_transactions.store_transactions([balance_transaction_of(donation, fee_cents=1_00)])


def waiting_mail(campaign: Campaign, donation: Donation) -> None:
    run("UPDATE outbox SET done_at = NULL WHERE kind = 'receipt'")


def difference(campaign: Campaign, donation: Donation) -> None:
    number = db.session.scalars(select(Reconciliation.id)).one()
    run(
        "INSERT INTO reconciliation_finding (reconciliation_id, kind, object_id, detail, state, sentence) "
        f"VALUES ({number}, 'refund_differs', 're_1', '{{}}', 'open', 'a difference')"
    )


def finding(campaign: Campaign, donation: Donation) -> None:
    run("INSERT INTO integrity_check (milliseconds, findings) VALUES (1, ARRAY['I1: a finding'])")


OPENED: dict[BlockerKind, Callable[[Campaign, Donation], None]] = {
    BlockerKind.ALERTS: open_alert,
    BlockerKind.REFUNDS: open_refund_request,
    BlockerKind.DISPUTES: dispute,
    BlockerKind.QUARANTINED: quarantined,
    BlockerKind.EVENTS: stored_event,
    BlockerKind.FEES: stored_fee,
    BlockerKind.MAIL: waiting_mail,
    BlockerKind.DIFFERENCES: difference,
    BlockerKind.FINDINGS: finding,
}


@pytest.mark.parametrize("kind", OPENED)
def test_what_is_open_is_named(campaign: Campaign, fund: Fund, kind: BlockerKind) -> None:
    donation = squared(campaign, fund)
    OPENED[kind](campaign, donation)
    db.session.commit()
    assert kinds(campaign) == {kind}
    assert refusal_of(lambda: seal_actions.request_seal(campaign, actor=ONE, reason="r")) is ActionError.NOT_READY_TO_SEAL


def test_an_open_campaign_names_all_that_is_to_end(campaign: Campaign, fund: Fund) -> None:
    paid(campaign, 300_00)
    start_donation(campaign, 50_00)
    db.session.commit()
    expected = {
        BlockerKind.OPEN_CAMPAIGN,
        BlockerKind.ACTIVE_FUNDS,
        BlockerKind.GIFTS_UNDER_WAY,
        BlockerKind.AT_STRIPE,
        BlockerKind.MAIL,
        BlockerKind.NOT_RECONCILED,
        BlockerKind.NOT_CHECKED,
    }
    assert kinds(campaign) == expected
    sealed.end(campaign)
    assert kinds(campaign) == (expected - {BlockerKind.OPEN_CAMPAIGN, BlockerKind.ACTIVE_FUNDS}) | {BlockerKind.FUNDER_ACCOUNT}


def test_nothing_of_a_sealed_campaign_moves(campaign: Campaign, fund: Fund) -> None:
    donation = squared(campaign, fund)
    sealed.seal(campaign)
    before = entries()
    for act in (campaign_actions.reopen_to_gifts, campaign_actions.take_back, campaign_actions.open_to_gifts):
        with pytest.raises(ActImpossible):
            act(campaign, actor=ONE)
    with pytest.raises(RefundRefused):
        refunds.request_refund(donation, None, actor=ONE, reason="too late")
    db.session.rollback()
    with pytest.raises(IntegrityError) as error:
        start_donation(campaign, 50_00)
    assert seals.is_refusal(error.value)
    db.session.rollback()
    with pytest.raises(IntegrityError) as error:
        record(fund, 1_00, "later")
    assert seals.is_refusal(error.value)
    db.session.rollback()
    with pytest.raises(IntegrityError) as error:
        create_fund(campaign, 10_00, position=9)
    assert seals.is_refusal(error.value)
    db.session.rollback()
    assert entries() == before


def test_another_campaign_goes_on(campaign: Campaign, fund: Fund) -> None:
    other = another_campaign(like=campaign)
    squared(campaign, fund)
    sealed.seal(campaign)
    paid(other, 20_00)
    assert other.sealed_at is None


def test_a_refund_or_dispute_after_the_seal_alerts_staff_and_not_posted(campaign: Campaign, fund: Fund) -> None:
    donation = squared(campaign, fund)
    sealed.seal(campaign)
    before = entries()
    assert create_refund(donation, 40_00) == "after the seal: staff are alerted"
    create_refund(donation, 60_00, kind="dispute")
    db.session.commit()
    raised = {(alert.kind, alert.detail["amount_cents"]) for alert in alerts.list_open(limit=9)}
    assert raised == {(AlertKind.AFTER_SEAL, -40_00), (AlertKind.AFTER_SEAL, -60_00)}
    assert entries() == before and findings() == []


def test_a_fee_after_the_seal_alerts_staff_and_not_posted(campaign: Campaign, fund: Fund) -> None:
    donation = squared(campaign, fund)
    sealed.seal(campaign)
    before = entries()
    balance_transactions.store_transactions([balance_transaction_of(donation, fee_cents=15_00)])
    assert balance_transactions.post_fees(limit=9) == 1
    assert payouts.post_shares() == 0
    db.session.commit()
    assert [(alert.kind, alert.detail) for alert in alerts.list_open(limit=9)] == [(AlertKind.AFTER_SEAL, {"amount_cents": -15_00})]
    assert entries() == before


def test_a_payment_after_the_seal_is_in_quarantine_and_can_only_be_refunded(campaign: Campaign, fund: Fund) -> None:
    late = start_donation(campaign, 50_00)
    end(late, settlement.EXPIRED)
    db.session.commit()
    sealed.end(campaign)
    sealed.send_all_mail()
    sealed.check(campaign)
    sealed.seal_in_sql(campaign)
    assert pay(late).startswith("quarantined: the campaign was sealed before")
    db.session.commit()
    (payment,) = quarantine.list_pending(limit=9)
    assert payment.anomaly == Anomaly.SEALED and not payment.may_be_accepted and payment.may_be_refunded


@pytest.mark.owner
@pytest.mark.parametrize(
    ("statement", "table", "trigger"),
    [
        ("UPDATE campaign SET closed_at = NULL", "campaign", "sealed_stays"),
        ("UPDATE campaign SET goal_cents = goal_cents + 1", "campaign", "sealed_stays"),
        ("UPDATE campaign SET sealed_at = NULL", "campaign", "sealed_stays, sealed_by_seal_only"),
        ("UPDATE fund SET name_en = 'another name'", "fund", "sealed_stays"),
        ("DELETE FROM campaign_seal", "campaign_seal", "append_only"),
        ("UPDATE campaign_seal SET heads = '{}'", "campaign_seal", "append_only"),
        ("UPDATE seal_request SET reason = 'another'", "seal_request", "decided_once"),
        (
            f"{INSERT_ENTRY} VALUES ('payout', 'stripe', 'bank', 1, 1, NULL, 'payout:late', 'po_late')",
            "campaign_totals",
            "sealed_stays",
        ),
        (
            f"{INSERT_ENTRY} VALUES ('hold', 'available', 'held', 1, 1, 1, 'hold:late', 'late')",
            "fund",
            "sealed_stays",
        ),
        ("INSERT INTO fund_change (fund_id, kind, actor, reason) VALUES (1, 'paused', 'x', 'y')", "fund", "sealed_stays"),
        (
            "INSERT INTO fund (campaign_id, funder_id, slug, name_en, name_fr, position) VALUES (1, 1, 'late', 'Late', 'Tard', 9)",
            "fund",
            "not_after_seal",
        ),
    ],
)
def test_the_database_refuses_what_would_move(campaign: Campaign, statement: str, table: str, trigger: str) -> None:
    sealed.end(campaign)
    sealed.seal_in_sql(campaign)
    with pytest.raises(DatabaseError):
        run(statement)
    db.session.rollback()
    for name in trigger.split(", "):
        run(f"ALTER TABLE {table} DISABLE TRIGGER {name}")
    if "'hold'" in statement:
        run("ALTER TABLE ledger_entry DISABLE TRIGGER USER; ALTER TABLE ledger_entry ENABLE TRIGGER chain, ENABLE TRIGGER move_balances")
    run(statement)  # The control.


@pytest.mark.owner
@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE seal_request SET decision = 'refused', decided_by = requested_by, decided_at = now()", "two_people_seal"),
        ("UPDATE campaign SET closed_at = NULL", "closed_before_seal"),
        ("UPDATE campaign SET hidden_at = now()", "closed_before_seal"),
    ],
)
def test_the_database_seals_only_what_two_people_agreed_to_and_is_closed(campaign: Campaign, statement: str, rule: str) -> None:
    sealed.end(campaign)
    decided = "" if "decision" in statement else f", decided_by = '{TWO}', decision = 'agreed', decided_at = now()"
    run(f"INSERT INTO seal_request (campaign_id, requested_by, reason) VALUES (1, '{ONE}', 'r')")
    run(f"UPDATE seal_request SET reason = reason{decided}")
    run(statement)
    with pytest.raises(IntegrityError, match=rule):
        run("INSERT INTO campaign_seal (campaign_id, request_id) SELECT campaign_id, id FROM seal_request")


def test_the_database_seals_nothing_while_a_fund_is_active_or_a_gift_is_under_way(campaign: Campaign, fund: Fund) -> None:
    campaign_actions.close_to_gifts(campaign, actor="test")
    with pytest.raises(IntegrityError, match="funds_end_before_seal"):
        sealed.seal_in_sql(campaign)
    db.session.rollback()
    campaign_actions.reopen_to_gifts(campaign, actor="test")
    start_donation(campaign, 50_00, email="under@way.example.org")
    db.session.commit()
    sealed.end(campaign)
    with pytest.raises(IntegrityError, match="funds_end_before_seal"):  # It holds match.
        sealed.seal_in_sql(campaign)


def test_one_person_cannot_agree_to_their_own_request_in_sql(campaign: Campaign) -> None:
    with pytest.raises(IntegrityError, match="two_people_agree_to_seal"):
        run(
            "INSERT INTO seal_request (campaign_id, requested_by, reason, decided_by, decision, decided_at) "
            f"VALUES (1, '{ONE}', 'r', '{ONE.upper()} ', 'agreed', now())"
        )


@pytest.mark.owner
def test_the_checker_finds_a_seal_that_was_broken(campaign: Campaign, fund: Fund) -> None:
    squared(campaign, fund)
    sealed.seal(campaign)
    assert findings() == []
    run("ALTER TABLE campaign_totals DISABLE TRIGGER sealed_stays")
    run(f"{INSERT_ENTRY} VALUES ('payout_reversal', 'bank', 'stripe', 1, 1, NULL, 'payout_back:late', 'po_late')")
    run("ALTER TABLE campaign_totals ENABLE TRIGGER sealed_stays")
    db.session.commit()
    found = [sentence for sentence in checker.findings(db.engine) if sentence.startswith("I22")]
    assert found == [f"I22: the campaign {campaign.slug} is sealed, but its chain campaign:{campaign.id} does not end where it did then."]


def test_what_is_begun_at_the_time_of_the_seal_is_before_it_or_refused(app: Flask, campaign: Campaign) -> None:
    sealed.end(campaign)
    number = campaign.id

    def begin() -> str:
        try:
            start_donation(db.session.get_one(Campaign, number), 50_00)
            db.session.commit()
        except IntegrityError as error:
            db.session.rollback()
            return "refused" if seals.is_refusal(error) else str(error)
        return "begun"

    def seal() -> str:
        try:
            sealed.seal_in_sql(db.session.get_one(Campaign, number))
        except IntegrityError as error:
            db.session.rollback()
            return "refused" if "gifts_end_before_seal" in str(error) else str(error)
        return "sealed"

    done = run_concurrently(app, [begin, seal, begin, begin])
    db.session.rollback()
    is_sealed = db.session.get_one(Campaign, number, populate_existing=True).sealed_at is not None
    assert set(done) in ({"refused", "sealed"}, {"begun", "refused"})
    assert is_sealed == ("sealed" in done) and ("begun" in done) != is_sealed
    assert db.session.scalar(select(SealRequest.decision)) in {"agreed", None}
    assert db.session.scalar(select(LedgerEntry.id).where(LedgerEntry.kind == "donation")) is None
