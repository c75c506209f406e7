"""The database itself refuses what is wrong in the books; each guard is shown to be what holds."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError, IntegrityError

from campaign.edges.db import db
from campaign.giving import ledger
from campaign.giving.campaigns import Campaign, CampaignTotals
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund, funds_of
from campaign.giving.ledger import Entry, Move
from campaign.giving.matches import DonationMatch, match_of
from campaign.reporting import books
from tests.factories import another_campaign, begun, give_back, keep_fee, paid, pay


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
    donation = begun(campaign, 100_00)
    db.session.refresh(fund)
    assert (fund.pledged_cents, fund.held_cents, fund.matched_cents) == (50_000_00, 100_00, 0)
    pay(donation)
    db.session.refresh(fund)
    assert (fund.held_cents, fund.matched_cents) == (0, 100_00)


def test_i1_more_than_the_pledge_is_refused_by_the_database(campaign: Campaign) -> None:
    own = another_campaign(99_99, like=campaign)
    fund = db.session.query(Fund).filter_by(campaign_id=own.id).one()
    donation = begun(own, 200_00)
    with pytest.raises(IntegrityError, match="within_pledge"):
        ledger.post(entry(fund, Move.HOLD, "available", "held", 1, "one too many", donation.id))


def test_i4_more_than_the_gift_is_refused_by_the_database(campaign: Campaign, fund: Fund) -> None:
    donation = begun(campaign, 100_00)
    with pytest.raises(IntegrityError, match="within_gift"):
        ledger.post(entry(fund, Move.HOLD, "available", "held", 1, "one too many", donation.id))


def test_a_match_before_the_payment_is_refused_by_the_database(campaign: Campaign, fund: Fund) -> None:
    donation = begun(campaign, 100_00)
    with pytest.raises(IntegrityError, match="matched_is_paid"):
        ledger.post(entry(fund, Move.MATCH, "held", "matched", 100_00, "too early", donation.id))


def test_a_release_of_more_than_is_held_for_the_gift_is_refused(campaign: Campaign, fund: Fund) -> None:
    donation = begun(campaign, 100_00)
    begun(campaign, 100_00)  # Another's hold, which the fund's own balance could not tell from this one's.
    with pytest.raises(IntegrityError, match="held_for_a_donation_is_not_negative"):
        ledger.post(entry(fund, Move.RELEASE, "held", "available", 100_01, "too much", donation.id))


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
        ledger.post(entry(fund, kind, source, target, 1, "not permitted"))


def test_the_same_fact_is_posted_once(campaign: Campaign, fund: Fund) -> None:
    donation = begun(campaign, 50_00)
    twin = entry(fund, Move.HOLD, "available", "held", 50_00, f"hold:{donation.public_id}:{fund.id}:1", donation.id)
    with pytest.raises(IntegrityError):
        ledger.post(twin)


def test_an_insert_that_is_ignored_moves_nothing(campaign: Campaign, fund: Fund) -> None:
    donation = begun(campaign, 50_00)
    run(
        "INSERT INTO ledger_entry (kind, from_account, to_account, cents, campaign_id, fund_id, donation_id, reference, cause, chain, position, digest, hash) "
        f"VALUES ('hold', 'available', 'held', 1, {campaign.id}, {fund.id}, {donation.id}, 'hold:{donation.public_id}:{fund.id}:1', "
        "'x', '', 0, '', '') ON CONFLICT (reference) DO NOTHING"
    )
    db.session.refresh(fund)
    assert fund.held_cents == 50_00
    db.session.commit()
    assert books.findings(db.engine) == []


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
        "UPDATE audit_entry SET act = 'x'",
        "DELETE FROM audit_entry",
    ],
)
def test_i20_what_is_written_stays_and_balances_move_by_entries_alone(campaign: Campaign, fund: Fund, sql: str) -> None:
    paid(campaign)
    run("INSERT INTO stripe_event (event_id, type, subject, livemode, body, source) VALUES ('e', 't', 's', false, 'b', 'poll')")
    run("INSERT INTO receipt_series VALUES (1, 2026, 1)")
    run("INSERT INTO receipt (charity_id, year, number, serial, content, check_code) VALUES (1, 2026, 1, 's', '{}', 'c')")
    run("INSERT INTO receipt_document (receipt_id, kind, pdf, sha256) VALUES (1, 'archived', 'p', sha256('p'))")
    db.session.commit()
    with pytest.raises(DatabaseError, match=r"append-only|move only by a ledger entry"):
        run(sql)


def test_entries_posted_together_are_chained_in_their_order_and_refused_together(campaign: Campaign, fund: Fund) -> None:
    first, second = begun(campaign, 100_00), begun(campaign, 50_00)
    good = entry(fund, Move.RELEASE, "held", "available", 100_00, "one", first.id)
    ledger.post(good, entry(fund, Move.RELEASE, "held", "available", 50_00, "two", second.id))
    chained = db.session.query(ledger.LedgerEntry).filter(ledger.LedgerEntry.reference.in_(["one", "two"])).order_by(ledger.LedgerEntry.id)
    assert [(e.reference, e.position) for e in chained] == [("one", 4), ("two", 5)]
    db.session.commit()
    beyond = entry(fund, Move.HOLD, "available", "held", 50_01, "four", second.id)
    with pytest.raises(IntegrityError, match="four is refused: not within_gift"):
        ledger.post(entry(fund, Move.HOLD, "available", "held", 100_00, "three", first.id), beyond)
    db.session.rollback()
    db.session.refresh(fund)
    assert (fund.held_cents, fund.chain_entries, ledger.is_posted("three")) == (0, 5, False)
    assert books.findings(db.engine) == []


def test_an_entry_of_a_fund_is_of_the_funds_campaign(campaign: Campaign, fund: Fund) -> None:
    own = another_campaign(100_00, like=campaign)
    with pytest.raises(IntegrityError, match="has no fund or campaign to move"):
        ledger.post(replace(entry(fund, Move.PLEDGE, "outside", "available", 1, "strayed"), campaign_id=own.id))


def test_whoever_posts_to_a_chain_waits_for_the_one_before(app: Flask, campaign: Campaign) -> None:
    """Fees are posted without any lock but that of the chain itself."""
    first, second = paid(campaign, 10_00), paid(campaign, 20_00).id
    posted: list[int] = []

    def post_beside() -> None:
        with app.app_context():
            posted.append(keep_fee(db.session.get_one(Donation, second), 60))
            db.session.commit()
            db.session.remove()

    keep_fee(first, 30)
    beside = threading.Thread(target=post_beside, daemon=True)
    beside.start()
    beside.join(0.5)
    assert beside.is_alive()
    db.session.commit()
    beside.join(10)
    assert posted == [1]
    assert books.findings(db.engine) == []


def test_a_fee_is_posted_once_and_to_its_donation(campaign: Campaign) -> None:
    first, second = paid(campaign, 10_00), paid(campaign, 20_00)
    assert keep_fee(first, 0) == 0
    assert keep_fee(first, 1) == 1
    assert keep_fee(second, 60) == 1
    assert keep_fee(second, 60) == 1, "another transaction tells of the same charge"
    fees = db.session.query(ledger.LedgerEntry).filter_by(kind=Move.FEE).order_by(ledger.LedgerEntry.id)
    assert [(fee.donation_id, fee.cents) for fee in fees] == [(first.id, 1), (second.id, 60)]
    assert db.session.get_one(CampaignTotals, campaign.id, populate_existing=True).fee_cents == 61


def test_what_is_chained_later_is_later_whenever_its_transaction_began(app: Flask, campaign: Campaign) -> None:
    first, second = paid(campaign, 10_00).id, paid(campaign, 20_00)
    assert db.session.execute(text("SELECT now()")).scalar_one()  # This transaction has begun; the other one is quicker.

    def post_beside() -> None:
        with app.app_context():
            keep_fee(db.session.get_one(Donation, first), 30)
            db.session.commit()
            db.session.remove()

    beside = threading.Thread(target=post_beside, daemon=True)
    beside.start()
    beside.join(10)
    keep_fee(second, 60)
    db.session.commit()
    e = ledger.LedgerEntry
    moments = list(db.session.scalars(select(e.at).where(e.fund_id.is_(None)).order_by(e.position)))
    assert moments == sorted(moments)


def test_each_move_of_a_match_is_counted_for_the_name_of_the_next(campaign: Campaign) -> None:
    donation = paid(campaign, 100_00)
    give_back(donation, 40_00, name="re_1")
    give_back(donation, 40_00, name="re_1", status="failed")
    db.session.commit()
    (row,) = db.session.query(DonationMatch).filter_by(donation_id=donation.id)
    entries = db.session.query(ledger.LedgerEntry).filter_by(donation_id=donation.id, of_fund=True)
    assert [e.kind for e in entries.order_by(ledger.LedgerEntry.id)] == ["hold", "match", "unmatch", "match"]
    assert (row.matched_cents, row.moves) == (100_00, 4)


def test_at_two_to_one_the_database_counts_the_odd_cent(campaign: Campaign) -> None:
    own = another_campaign(1_000_00, like=campaign, ratio=(2, 1))
    (fund,) = funds_of(own.id)
    donation = begun(own, 1_00)
    assert match_of(donation.id).held_cents == 2_00
    with pytest.raises(IntegrityError, match="within_gift"), db.session.begin_nested():
        ledger.post(entry(fund, Move.HOLD, "available", "held", 1, "odd", donation.id))
    pay(donation)
    db.session.commit()
    back = Entry(
        kind=Move.REFUND,
        source="stripe",
        target="donations",
        cents=50,
        campaign_id=own.id,
        donation_id=donation.id,
        reference="back",
        cause="test",
    )
    ledger.post(back, entry(fund, Move.UNMATCH, "matched", "available", 99, "a cent too little", donation.id))
    with pytest.raises(IntegrityError, match="within_net_gift"):
        db.session.commit()
    db.session.rollback()
    give_back(donation, 50)
    db.session.commit()
    assert match_of(donation.id).matched_cents == 1_00
    assert books.findings(db.engine) == []


def test_what_was_returned_of_a_gift_is_not_matched_again(campaign: Campaign, fund: Fund) -> None:
    donation = paid(campaign, 100_00)
    give_back(donation, 40_00)
    with pytest.raises(IntegrityError, match="within_gift"):
        ledger.post(entry(fund, Move.MATCH, "available", "matched", 1, "beyond what is left", donation.id))


def test_a_gift_given_and_returned_in_one_statement_leaves_no_match(campaign: Campaign, fund: Fund) -> None:
    """What holds after the last entry is what counts, so that a batch may hold a gift's whole life."""
    donation = begun(campaign, 100_00)
    donation.paid_at = datetime.now(UTC)
    db.session.flush()
    gift = Entry(
        kind=Move.DONATION,
        source="donations",
        target="stripe",
        cents=100_00,
        campaign_id=campaign.id,
        donation_id=donation.id,
        reference="gift",
        cause="test",
    )
    back = replace(gift, kind=Move.REFUND, source="stripe", target="donations", reference="back")
    match = entry(fund, Move.MATCH, "held", "matched", 100_00, "match", donation.id)
    with pytest.raises(IntegrityError, match="match is refused: not matched_is_paid"), db.session.begin_nested():
        ledger.post(gift, match, back)
    ledger.post(gift, match, back, entry(fund, Move.UNMATCH, "matched", "available", 100_00, "unmatch", donation.id))
    db.session.commit()
    db.session.refresh(fund)
    totals = db.session.get_one(CampaignTotals, campaign.id)
    assert (fund.held_cents, fund.matched_cents, totals.donated_cents, totals.donations) == (0, 0, 0, 1)
    assert [sentence[:3] for sentence in books.findings(db.engine)] == ["I11"]  # Stripe told of no such refund.


def test_totals_follow_the_entries_and_donors_count_once(campaign: Campaign) -> None:
    paid(campaign, 100_00, email="Same@Example.org")
    paid(campaign, 50_00, email="same@example.org", covered_fee_cents=2_00)
    paid(campaign, 25_00)
    totals = db.session.get_one(CampaignTotals, campaign.id)
    assert (totals.donated_cents, totals.covered_fee_cents, totals.donations, totals.donors) == (175_00, 2_00, 3, 2)


@pytest.mark.parametrize(
    ("tampering", "invariant"),
    [
        ("UPDATE ledger_entry SET cents = cents + 1 WHERE kind = 'match'", "I20"),
        ("UPDATE ledger_entry SET cause = 'another' WHERE kind = 'donation'", "I20"),
        ("DELETE FROM ledger_entry WHERE kind = 'hold'", "I20"),
        ("UPDATE ledger_entry SET at = at - interval '1 day'", "I20"),
        ("UPDATE fund SET matched_cents = matched_cents - 1", "I2"),
        ("UPDATE fund SET pledged_cents = pledged_cents + 1", "I2"),
        ("UPDATE campaign_totals SET donated_cents = donated_cents + 1", "I2"),
        ("UPDATE campaign_totals SET donors = donors + 1", "I2"),
        ("UPDATE donation SET amount_cents = amount_cents + 1 WHERE paid_at IS NOT NULL", "I13"),
        ("UPDATE donation SET paid_at = NULL", "I13"),
        ("DELETE FROM ledger_entry WHERE kind = 'donation'", "I4"),
        ("UPDATE donation SET ended_at = now(), ended_as = 'expired' WHERE paid_at IS NULL", "I32"),
        ("UPDATE donation_match SET matched_cents = matched_cents + 1", "I2"),
        ("UPDATE donation_match SET held_cents = held_cents + 1", "I2"),
        ("UPDATE donation SET net_cents = net_cents - 1 WHERE paid_at IS NOT NULL", "I2"),
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
    ],
)
def test_the_checker_finds_what_was_tampered_with(campaign: Campaign, tampering: str, invariant: str) -> None:
    paid(campaign)
    begun(campaign)
    db.session.commit()
    assert books.findings(db.engine) == []
    with guards_off():
        run(tampering)
    db.session.commit()
    assert invariant in {sentence.partition(":")[0] for sentence in books.findings(db.engine)}


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE ledger_entry SET cents = cents - 1 WHERE kind = 'refund'",
        "UPDATE ledger_entry SET cents = cents + 1 WHERE kind = 'covered_fee_refund'",
        "UPDATE ledger_entry SET kind = 'covered_fee_reinstatement' WHERE kind = 'covered_fee_refund'",
        "UPDATE money_back SET cents = cents + 5",
        "UPDATE money_back SET turns = 2",
        "DELETE FROM money_back",
    ],
)
def test_i11_the_checker_finds_what_went_back_otherwise_than_stripe_told(campaign: Campaign, tampering: str) -> None:
    donation = paid(campaign, 100_00, covered_fee_cents=3_30)
    for cents in (51_65, 10_00):
        give_back(donation, cents)
    db.session.commit()
    assert books.findings(db.engine) == []
    with guards_off():
        run(tampering)
    db.session.commit()
    assert any(sentence.startswith("I11: ") for sentence in books.findings(db.engine))


def test_without_the_trigger_a_balance_is_believed_though_it_is_wrong(campaign: Campaign, fund: Fund) -> None:
    """The negative control of I1, I2 and I4: it is the triggers that move and refuse, nothing else does."""
    donation = begun(campaign, 100_00)
    for trigger in ("move", "move_matches", "refuse"):
        run(f"ALTER TABLE ledger_entry DISABLE TRIGGER {trigger}")
    ledger.post(entry(fund, Move.HOLD, "available", "held", 60_000_00, "beyond the pledge", donation.id))
    db.session.commit()
    assert any(sentence.startswith("I2") for sentence in books.findings(db.engine))


def test_i7_the_checker_sees_that_somebody_was_healed_out_of_turn(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign)
    first, waiting, out_of_turn = paid(own, 100_00), paid(own, 50_00), paid(own, 50_00)
    give_back(first, 50_00)
    db.session.commit()
    assert books.findings(db.engine) == []
    with guards_off():
        run(f"UPDATE ledger_entry SET donation_id = {out_of_turn.id} WHERE donation_id = {waiting.id} AND kind = 'match'")
    db.session.commit()
    assert "I7" in {sentence.partition(":")[0] for sentence in books.findings(db.engine)}


def test_i3_the_checker_knows_what_one_fund_without_limits_must_have_matched(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign)
    paid(own, 60_00)
    with guards_off():
        run(f"UPDATE fund SET matched_cents = matched_cents - 1 WHERE campaign_id = {own.id}")
    db.session.commit()
    assert "I3" in {sentence.partition(":")[0] for sentence in books.findings(db.engine)}
