"""The database itself refuses incorrect ledger entries; each guard has a test that provokes it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError, IntegrityError

from campaign.campaigns.campaigns import Campaign, CampaignTotals
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.ledger.entries import Entry, LedgerEntry, is_posted, post_entries
from campaign.ledger.moves import Move
from campaign.matching.funds import Fund, funds_of
from campaign.matching.holds import DonationMatch, match_of
from campaign.reporting.integrity import checker
from tests.conftest import Copied
from tests.factories import another_campaign, create_refund, end, paid, pay, post_stripe_fee, start_donation, waits_for_this_transaction
from tests.patience import PATIENCE_SECONDS


def entry(fund: Fund, kind: Move, source: str, target: str, cents: int, reference: str, donation_id: int | None = None) -> Entry:
    return Entry(
        kind=kind,
        source=source,
        target=target,
        cents=cents,
        campaign_id=fund.campaign_id,
        fund_id=fund.id,
        donation_id=donation_id,
        reference=reference,
        cause="test",
    )


@contextmanager
def guards_off() -> Iterator[None]:
    db.session.execute(text("SET session_replication_role = replica"))
    yield
    db.session.execute(text("SET session_replication_role = origin"))


def run(sql: str) -> None:
    db.session.execute(text(sql))


def test_an_entry_moves_the_balance_of_its_fund(campaign: Campaign, fund: Fund) -> None:
    donation = start_donation(campaign, 100_00)
    db.session.refresh(fund)
    assert (fund.pledged_cents, fund.held_cents, fund.matched_cents) == (50_000_00, 100_00, 0)
    pay(donation)
    db.session.refresh(fund)
    assert (fund.held_cents, fund.matched_cents) == (0, 100_00)


def test_i1_more_than_the_pledge_is_refused_by_the_database(campaign: Campaign) -> None:
    own = another_campaign(99_99, like=campaign)
    fund = db.session.query(Fund).filter_by(campaign_id=own.id).one()
    donation = start_donation(own, 200_00)
    with pytest.raises(IntegrityError, match="within_pledge"):
        post_entries(entry(fund, Move.HOLD, "available", "held", 1, "one too many", donation.id))


def test_i4_more_than_the_donation_is_refused_by_the_database(campaign: Campaign, fund: Fund) -> None:
    donation = start_donation(campaign, 100_00)
    with pytest.raises(IntegrityError, match="within_gift"):
        post_entries(entry(fund, Move.HOLD, "available", "held", 1, "one too many", donation.id))


def test_a_match_before_the_payment_is_refused_by_the_database(campaign: Campaign, fund: Fund) -> None:
    donation = start_donation(campaign, 100_00)
    with pytest.raises(IntegrityError, match="matched_is_paid"):
        post_entries(entry(fund, Move.MATCH, "held", "matched", 100_00, "too early", donation.id))


def test_a_release_of_more_than_is_held_for_the_donation_is_refused(campaign: Campaign, fund: Fund) -> None:
    donation = start_donation(campaign, 100_00)
    start_donation(campaign, 100_00)  # Another donor's hold, which the balance of the fund alone cannot tell from this one.
    with pytest.raises(IntegrityError, match="donation_hold_is_not_negative"):
        post_entries(entry(fund, Move.RELEASE, "held", "available", 100_01, "too much", donation.id))


@pytest.mark.parametrize(
    ("kind", "source", "target"),
    [
        (Move.HOLD, "held", "available"),
        (Move.MATCH, "outside", "matched"),
        (Move.DONATION, "donations", "stripe"),
        (Move.PLEDGE, "matched", "outside"),
    ],
)
def test_a_move_outside_the_closed_table_is_refused(fund: Fund, kind: Move, source: str, target: str) -> None:
    with pytest.raises(IntegrityError):
        post_entries(entry(fund, kind, source, target, 1, "not permitted"))


def test_a_reference_is_posted_once(campaign: Campaign, fund: Fund) -> None:
    donation = start_donation(campaign, 50_00)
    twin = entry(fund, Move.HOLD, "available", "held", 50_00, f"hold:{donation.public_id}:{fund.id}:1", donation.id)
    with pytest.raises(IntegrityError):
        post_entries(twin)


def test_an_insert_skipped_by_on_conflict_moves_nothing(campaign: Campaign, fund: Fund) -> None:
    donation = start_donation(campaign, 50_00)
    run(
        "INSERT INTO ledger_entry (kind, from_account, to_account, cents, campaign_id, fund_id, donation_id, reference, cause, chain, position, digest, hash) "
        f"VALUES ('hold', 'available', 'held', 1, {campaign.id}, {fund.id}, {donation.id}, 'hold:{donation.public_id}:{fund.id}:1', "
        "'x', '', 0, '', '') ON CONFLICT (reference) DO NOTHING"
    )
    db.session.refresh(fund)
    assert fund.held_cents == 50_00
    db.session.commit()
    assert checker.findings(db.engine) == []


@pytest.mark.owner
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE ledger_entry SET cents = cents + 1",
        "DELETE FROM ledger_entry",
        "TRUNCATE ledger_entry CASCADE",
        "INSERT INTO ledger_move VALUES ('gift', 'a', 'b', true)",
        "UPDATE ledger_move SET to_account = 'bank'",
        "DELETE FROM ledger_move",
        "UPDATE fund SET matched_cents = 1",
        "UPDATE fund SET pledged_cents = pledged_cents + 1",
        "UPDATE fund SET held_cents = 1",
        "UPDATE fund SET chain_hash = ''",
        "UPDATE campaign_totals SET donated_cents = 1",
        "DELETE FROM campaign_totals",
        "INSERT INTO fund (campaign_id, funder_id, slug, name_en, name_fr, position, pledged_cents) VALUES (1, 1, 'x', 'x', 'x', 9, 100)",
        "INSERT INTO campaign_totals (campaign_id, donated_cents) VALUES (77, 5)",
        "UPDATE stripe_event SET body = ''",
        "DELETE FROM stripe_event",
        "UPDATE receipt SET serial = 'x'",
        "DELETE FROM receipt",
        "TRUNCATE receipt CASCADE",
        "UPDATE receipt_document SET pdf = ''",
        "UPDATE audit_entry SET action = 'x'",
        "DELETE FROM audit_entry",
    ],
)
def test_i20_records_are_append_only_and_balances_move_only_by_entries(campaign: Campaign, fund: Fund, sql: str) -> None:
    paid(campaign)
    run("INSERT INTO stripe_event (event_id, type, subject, livemode, body, source) VALUES ('e', 't', 's', false, 'b', 'poll')")
    run("INSERT INTO receipt_series VALUES (1, 2026, 1)")
    run("INSERT INTO receipt (charity_id, year, number, serial, content, check_code) VALUES (1, 2026, 1, 's', '{}', 'c')")
    run("INSERT INTO receipt_document (receipt_id, kind, pdf, sha256) VALUES (1, 'archived', 'p', sha256('p'))")
    db.session.commit()
    with pytest.raises(DatabaseError, match=r"append-only|moved by ledger entries only"):
        run(sql)


def test_entries_posted_together_are_chained_in_their_order_and_refused_together(campaign: Campaign, fund: Fund) -> None:
    first, second = start_donation(campaign, 100_00), start_donation(campaign, 50_00)
    good = entry(fund, Move.RELEASE, "held", "available", 100_00, "one", first.id)
    post_entries(good, entry(fund, Move.RELEASE, "held", "available", 50_00, "two", second.id))
    chained = db.session.query(LedgerEntry).filter(LedgerEntry.reference.in_(["one", "two"])).order_by(LedgerEntry.id)
    assert [(e.reference, e.position) for e in chained] == [("one", 4), ("two", 5)]
    db.session.commit()
    beyond = entry(fund, Move.HOLD, "available", "held", 50_01, "four", second.id)
    with pytest.raises(IntegrityError, match="four is refused: within_gift"):
        post_entries(entry(fund, Move.HOLD, "available", "held", 100_00, "three", first.id), beyond)
    db.session.rollback()
    db.session.refresh(fund)
    assert (fund.held_cents, fund.chain_entries, is_posted("three")) == (0, 5, False)
    run("UPDATE donation SET ended_at = now(), ended_as = 'expired'")
    db.session.commit()
    assert checker.findings(db.engine) == []


def test_an_entry_of_a_fund_must_name_the_funds_campaign(campaign: Campaign, fund: Fund) -> None:
    own = another_campaign(100_00, like=campaign)
    with pytest.raises(IntegrityError, match="has no fund or campaign to move"):
        post_entries(replace(entry(fund, Move.PLEDGE, "outside", "available", 1, "strayed"), campaign_id=own.id))


def test_a_transaction_that_posts_to_a_chain_waits_for_the_one_before(app: Flask, campaign: Campaign) -> None:
    """Fees are posted without any lock except that of the chain."""
    first, second = paid(campaign, 10_00), paid(campaign, 20_00).id
    posted: list[int] = []

    def post_in_another_thread() -> None:
        with app.app_context():
            posted.append(post_stripe_fee(db.session.get_one(Donation, second), 60))
            db.session.commit()
            db.session.remove()

    post_stripe_fee(first, 30)
    other_thread = threading.Thread(target=post_in_another_thread, daemon=True)
    other_thread.start()
    assert waits_for_this_transaction(other_thread)
    db.session.commit()
    other_thread.join(PATIENCE_SECONDS)
    assert posted == [1]
    assert checker.findings(db.engine) == []


def test_a_fee_is_posted_once_and_to_its_donation(campaign: Campaign) -> None:
    first, second = paid(campaign, 10_00), paid(campaign, 20_00)
    assert post_stripe_fee(first, 0) == 0
    assert post_stripe_fee(first, 1) == 1
    assert post_stripe_fee(second, 60) == 1
    assert post_stripe_fee(second, 60) == 1, "another balance transaction reports the same charge"
    fees = db.session.query(LedgerEntry).filter_by(kind=Move.FEE).order_by(LedgerEntry.id)
    assert [(fee.donation_id, fee.cents) for fee in fees] == [(first.id, 1), (second.id, 60)]
    assert db.session.get_one(CampaignTotals, campaign.id, populate_existing=True).fee_cents == 61


def test_entry_times_follow_the_chain_whenever_the_transaction_began(app: Flask, campaign: Campaign) -> None:
    first, second = paid(campaign, 10_00).id, paid(campaign, 20_00)
    assert db.session.execute(text("SELECT now()")).scalar_one()  # This transaction has begun; the other one commits first.

    def post_in_another_thread() -> None:
        with app.app_context():
            post_stripe_fee(db.session.get_one(Donation, first), 30)
            db.session.commit()
            db.session.remove()

    other_thread = threading.Thread(target=post_in_another_thread, daemon=True)
    other_thread.start()
    other_thread.join(PATIENCE_SECONDS)
    post_stripe_fee(second, 60)
    db.session.commit()
    e = LedgerEntry
    times = list(db.session.scalars(select(e.at).where(e.fund_id.is_(None)).order_by(e.position)))
    assert times == sorted(times)


def test_each_move_of_a_match_is_counted(campaign: Campaign) -> None:
    donation = paid(campaign, 100_00)
    create_refund(donation, 40_00, name="re_1")
    create_refund(donation, 40_00, name="re_1", status="failed")
    db.session.commit()
    (row,) = db.session.query(DonationMatch).filter_by(donation_id=donation.id)
    entries = db.session.query(LedgerEntry).filter_by(donation_id=donation.id, of_fund=True)
    assert [e.kind for e in entries.order_by(LedgerEntry.id)] == ["hold", "match", "unmatch", "match"]
    assert (row.matched_cents, row.moves) == (100_00, 4)


def test_at_two_to_one_the_database_checks_to_the_cent(campaign: Campaign) -> None:
    own = another_campaign(1_000_00, like=campaign, ratio=(2, 1))
    (fund,) = funds_of(own.id)
    donation = start_donation(own, 1_00)
    assert match_of(donation.id).held_cents == 2_00
    with pytest.raises(IntegrityError, match="within_gift"), db.session.begin_nested():
        post_entries(entry(fund, Move.HOLD, "available", "held", 1, "odd", donation.id))
    pay(donation)
    db.session.commit()
    refund = Entry(
        kind=Move.REFUND,
        source="stripe",
        target="donations",
        cents=50,
        campaign_id=own.id,
        donation_id=donation.id,
        reference="back",
        cause="test",
    )
    post_entries(refund, entry(fund, Move.UNMATCH, "matched", "available", 99, "a cent too little", donation.id))
    with pytest.raises(IntegrityError, match="within_net_gift"):
        db.session.commit()
    db.session.rollback()
    create_refund(donation, 50)
    db.session.commit()
    assert match_of(donation.id).matched_cents == 1_00
    assert checker.findings(db.engine) == []


def test_the_refunded_part_of_a_donation_is_not_matched_again(campaign: Campaign, fund: Fund) -> None:
    donation = paid(campaign, 100_00)
    create_refund(donation, 40_00)
    with pytest.raises(IntegrityError, match="within_gift"):
        post_entries(entry(fund, Move.MATCH, "available", "matched", 1, "beyond what is left", donation.id))


def test_a_donation_posted_and_refunded_in_one_statement_leaves_no_match(campaign: Campaign, fund: Fund) -> None:
    """The state after the last entry counts, so that one batch may post a payment and its refund."""
    donation = start_donation(campaign, 100_00)
    donation.authorized_at = donation.received_at = datetime.now(UTC)
    db.session.flush()
    payment = Entry(
        kind=Move.DONATION,
        source="donations",
        target="stripe",
        cents=100_00,
        campaign_id=campaign.id,
        donation_id=donation.id,
        reference="gift",
        cause="test",
    )
    refund = replace(payment, kind=Move.REFUND, source="stripe", target="donations", reference="back")
    match = entry(fund, Move.MATCH, "held", "matched", 100_00, "match", donation.id)
    with pytest.raises(IntegrityError, match="match is refused: matched_is_paid"), db.session.begin_nested():
        post_entries(payment, match, refund)
    post_entries(payment, match, refund, entry(fund, Move.UNMATCH, "matched", "available", 100_00, "unmatch", donation.id))
    db.session.commit()
    db.session.refresh(fund)
    totals = db.session.get_one(CampaignTotals, campaign.id)
    assert (fund.held_cents, fund.matched_cents, totals.donated_cents, totals.donations) == (0, 0, 0, 1)
    assert {sentence[:3] for sentence in checker.findings(db.engine)} == {"I11"}  # Stripe reported no such refund.


def test_totals_follow_the_entries_and_donors_count_once(campaign: Campaign) -> None:
    paid(campaign, 100_00, email="Same@Example.org")
    paid(campaign, 50_00, email="same@example.org", covered_fee_cents=2_00)
    paid(campaign, 25_00)
    totals = db.session.get_one(CampaignTotals, campaign.id)
    assert (totals.donated_cents, totals.covered_fee_cents, totals.donations, totals.donors) == (175_00, 2_00, 3, 2)


TAMPERED = [
    ("UPDATE ledger_entry SET cents = cents + 1 WHERE kind = 'match'", "I20"),
    ("UPDATE ledger_entry SET cause = 'another' WHERE kind = 'donation'", "I20"),
    ("DELETE FROM ledger_entry WHERE kind = 'hold'", "I20"),
    ("UPDATE ledger_entry SET position = position + 10 WHERE kind = 'match'", "I20"),
    ("UPDATE ledger_entry SET donation_id = (SELECT max(id) FROM donation) WHERE kind = 'match'", "I20"),
    ("UPDATE fund SET per_donor_cents = 1", "I20"),
    ("UPDATE fund SET opens_at = now() - interval '9 days'", "I20"),
    ("UPDATE ledger_entry SET at = at - interval '1 day'", "I20"),
    ("UPDATE fund SET matched_cents = matched_cents - 1", "I2"),
    ("UPDATE fund SET pledged_cents = pledged_cents + 1", "I2"),
    ("UPDATE campaign_totals SET donated_cents = donated_cents + 1", "I2"),
    ("UPDATE campaign_totals SET donors = donors + 1", "I2"),
    ("UPDATE donation SET amount_cents = amount_cents + 1 WHERE received_at IS NOT NULL", "I13"),
    ("UPDATE donation SET authorized_at = NULL, received_at = NULL", "I13"),
    ("DELETE FROM ledger_entry WHERE kind = 'donation'", "I4"),
    ("UPDATE donation SET ended_at = now(), ended_as = 'expired' WHERE received_at IS NULL", "I32"),
    ("UPDATE donation_match SET matched_cents = matched_cents + 1", "I2"),
    ("UPDATE donation_match SET held_cents = held_cents + 1", "I2"),
    ("UPDATE donation SET net_cents = net_cents - 1 WHERE received_at IS NOT NULL", "I2"),
    ("UPDATE ledger_entry SET kind = 'release', from_account = 'held', to_account = 'available' WHERE kind = 'match'", "I5"),
    ("UPDATE ledger_entry SET kind = 'unmatch' WHERE kind = 'match'", "I6"),
    (
        "ALTER TABLE donation DROP CONSTRAINT quarantined_is_not_paid; UPDATE donation SET quarantined_at = now(), quarantine_reason = 'x'",
        "I12",
    ),
    ("UPDATE donation SET currency = 'USD'", "I12"),
    ("ALTER TABLE donor_match ALTER COLUMN cents TYPE numeric", "I21"),
    ("ALTER TABLE ledger_entry DISABLE TRIGGER append_only", "I20"),
    ("DROP TRIGGER terms_are_frozen ON fund", "I20"),
    ("UPDATE ledger_entry SET digest = sha256('x')", "I20"),
    ("ALTER TABLE fund DROP CONSTRAINT within_pledge; UPDATE fund SET held_cents = pledged_cents + 1", "I1"),
]


@pytest.mark.owner
def test_the_checker_finds_tampering(campaign: Campaign, copied: Copied) -> None:
    paid(campaign)
    start_donation(campaign)
    db.session.commit()
    assert checker.findings(db.engine) == []
    for tampering, invariant in TAMPERED:
        with copied():
            with guards_off():
                run(tampering)
            db.session.commit()
            assert invariant in {sentence.partition(":")[0] for sentence in checker.findings(db.engine)}, tampering


DERIVED = [
    ("DELETE FROM match_queue", "I7"),
    ("UPDATE match_queue SET position = position + 1", "I7"),
    ("UPDATE match_queue SET net_cents = net_cents + 1", "I7"),
    ("UPDATE match_queue SET capped_donor_id = (SELECT max(donor_id) FROM donation)", "I7"),
    ("INSERT INTO match_queue SELECT id, campaign_id, 1, NULL, 5 FROM donation WHERE received_at IS NULL", "I7"),
    ("INSERT INTO donor_match SELECT f.id, d.id, 500 FROM fund f, donor d ON CONFLICT DO NOTHING", "I2"),
    ("DELETE FROM donor_match", "I2"),
    ("INSERT INTO campaign_donor SELECT c.id, d.id FROM campaign c, donor d ON CONFLICT DO NOTHING", "I2"),
    ("DELETE FROM campaign_donor WHERE ctid = (SELECT min(ctid) FROM campaign_donor)", "I2"),
    ("UPDATE fund SET paused_at = now()", "I22"),
    ("UPDATE fund SET activated_at = activated_at - interval '1 day'", "I22"),
    ("UPDATE fund SET ended_at = now()", "I22"),
    ("DELETE FROM fund_change WHERE kind = 'pledged'", "I22"),
    ("UPDATE donation SET amount_cents = 5 WHERE received_at IS NULL AND ended_at IS NULL", "I32"),
    ("UPDATE donation SET ended_at = NULL, ended_as = NULL WHERE ended_as = 'expired'", "I32"),
    ("INSERT INTO pending_rematch (campaign_id, cause, started_at) SELECT id, 'x', now() - interval '11 minutes' FROM campaign", "I5"),
]


@pytest.mark.owner
def test_the_checker_derives_what_is_stored_for_speed(campaign: Campaign, copied: Copied) -> None:
    own = another_campaign(90_00, like=campaign, per_donor_cents=80_00)
    returns = paid(own, 60_00, email="one@example.org")
    create_refund(returns, 10_00, name="re_returns")
    end(start_donation(own, 5_00), "expired")
    paid(own, 40_00, email="two@example.org")
    create_refund(returns, 10_00, name="re_returns", status="failed")
    start_donation(campaign, 20_00)
    db.session.commit()
    assert checker.findings(db.engine) == []
    assert db.session.execute(text("SELECT count(*) FROM match_queue")).scalar_one() == 1
    for tampering, invariant in DERIVED:
        with copied():
            with guards_off():
                run(tampering)
            db.session.commit()
            assert invariant in {sentence.partition(":")[0] for sentence in checker.findings(db.engine)}, tampering


REVERSED = [
    "UPDATE ledger_entry SET cents = cents - 1 WHERE kind = 'refund'",
    "UPDATE ledger_entry SET cents = cents + 1 WHERE kind = 'covered_fee_refund'",
    "UPDATE ledger_entry SET kind = 'covered_fee_reinstatement' WHERE kind = 'covered_fee_refund'",
    "UPDATE reversal SET cents = cents + 5",
    "UPDATE reversal SET posted_cents = posted_cents + 5",
    "UPDATE reversal SET posted_cents = 0, postings = 2",
    "DELETE FROM reversal",
]


@pytest.mark.owner
def test_i11_the_checker_finds_reversals_that_differ_from_what_stripe_reported(campaign: Campaign, copied: Copied) -> None:
    donation = paid(campaign, 100_00, covered_fee_cents=3_30)
    for cents in (51_65, 10_00):
        create_refund(donation, cents)
    db.session.commit()
    assert checker.findings(db.engine) == []
    for tampering in REVERSED:
        with copied():
            with guards_off():
                run(tampering)
            db.session.commit()
            assert any(sentence.startswith("I11: ") for sentence in checker.findings(db.engine)), tampering


@pytest.mark.owner
def test_control_without_the_triggers_a_wrong_entry_is_accepted(campaign: Campaign, fund: Fund) -> None:
    """The negative control of I1, I2 and I4: only the triggers move balances and refuse entries."""
    donation = start_donation(campaign, 100_00)
    for trigger in ("move_balances", "move_matches", "within_terms"):
        run(f"ALTER TABLE ledger_entry DISABLE TRIGGER {trigger}")
    post_entries(entry(fund, Move.HOLD, "available", "held", 60_000_00, "beyond the pledge", donation.id))
    db.session.commit()
    assert any(sentence.startswith("I2") for sentence in checker.findings(db.engine))


@pytest.mark.owner
def test_i7_the_checker_finds_a_rematch_out_of_turn(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign)
    first, waiting, out_of_turn = paid(own, 100_00), paid(own, 50_00), paid(own, 50_00)
    create_refund(first, 50_00)
    db.session.commit()
    assert checker.findings(db.engine) == []
    with guards_off():
        run(f"UPDATE ledger_entry SET donation_id = {out_of_turn.id} WHERE donation_id = {waiting.id} AND kind = 'match'")
    db.session.commit()
    assert "I7" in {sentence.partition(":")[0] for sentence in checker.findings(db.engine)}


@pytest.mark.owner
def test_i3_the_checker_knows_what_one_fund_without_limits_must_have_matched(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign)
    paid(own, 60_00)
    with guards_off():
        run(f"UPDATE fund SET matched_cents = matched_cents - 1 WHERE campaign_id = {own.id}")
    db.session.commit()
    assert "I3" in {sentence.partition(":")[0] for sentence in checker.findings(db.engine)}
