"""Books of any size for the integrity check: copies of one donation that was settled as usual, inserted by SQL through all triggers.

The first donations are matched in full and the others wait in the queue. Each has what a donation leaves: its checkout, Stripe's event, entries for
the hold, the match, the payment and Stripe's fee, its balance transaction, a receipt with a document, and the delivered email. A donor has
given three times. The documents of receipts are random bytes, as many as `documents` says.
"""

import secrets

from sqlalchemy import select, text

from benchmarks.pledges import raise_pledge
from benchmarks.settlement import drain
from campaign.campaigns.campaigns import current_campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.sealed_text import seal
from campaign.edges.services import services
from campaign.matching.funds import funds_of
from campaign.receipts import lifecycle, render_jobs

CHUNK = 1000
FIRST = 10_000_000
GIFTS_OF_A_DONOR = 3
CENTS, FEE_CENTS = 5_00, 41
# The bytes of each document of a receipt: those of real ones, and few for tests of other things.
DOCUMENTS = {"archived": 41_000, "signed": 62_000}
SMALL_DOCUMENTS = {"archived": 20, "signed": 20}

# Each statement takes the numbers `low` to `high`; numbers up to `matched` are matched, up to `held` from a hold. `model` is the donation that is copied.
COPY = (
    """
    INSERT INTO donor (id, email) SELECT DISTINCT n / :gifts, 'large' || n / :gifts || '@example.org'
    FROM generate_series(:low, :high) n ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO donation SELECT (jsonb_populate_record(m, jsonb_build_object(
        'id', n, 'public_id', 'large' || n, 'attempt', 'large' || n, 'donor_id', n / :gifts,
        'email', 'large' || n / :gifts || '@example.org', 'checkout_id', 'cs_large' || n, 'payment_intent', NULL, 'net_cents', 0,
        'client_key', '', 'match_limit', NULL, 'authorized_at', NULL, 'received_at', NULL, 'started_at', now() - interval '1 hour',
        'checkout_expires_at', now() + interval '30 minutes'))).*
    FROM generate_series(:low, :high) n, donation m WHERE m.id = :model
    """,
    """
    INSERT INTO ledger_entry (kind, from_account, to_account, cents, campaign_id, fund_id, donation_id, reference, cause)
    SELECT 'hold', 'available', 'held', m.amount_cents, m.campaign_id, f.id, n, 'hold:large' || n || ':' || f.id, 'checkout'
    FROM generate_series(:low, least(:high, :held)) n, donation m JOIN fund f ON f.campaign_id = m.campaign_id WHERE m.id = :model ORDER BY n
    """,
    """
    INSERT INTO stripe_event (event_id, type, subject, livemode, body, source, received_at, outcome, done_at)
    SELECT 'evt_large' || n, s.type, 'large' || n, s.livemode, s.body, s.source, now() - interval '2 hours', s.outcome, now()
    FROM generate_series(:low, :high) n, donation m JOIN stripe_event s ON s.subject = m.public_id WHERE m.id = :model ORDER BY n
    """,
    """
    UPDATE donation SET authorized_at = date_trunc('second', now()), received_at = date_trunc('second', now()),
                        payment_intent = 'pi_large' || id
    WHERE id BETWEEN :low AND :high
    """,
    """
    INSERT INTO ledger_entry (id, kind, from_account, to_account, cents, campaign_id, donation_id, reference, cause)
    SELECT n, 'donation', 'donations', 'stripe', m.amount_cents, m.campaign_id, n, 'donation:large' || n, 'payment'
    FROM generate_series(:low, :high) n, donation m WHERE m.id = :model ORDER BY n
    """,
    """
    INSERT INTO ledger_entry (kind, from_account, to_account, cents, campaign_id, fund_id, donation_id, reference, cause)
    SELECT 'match', CASE WHEN n <= :held THEN 'held' ELSE 'available' END, 'matched', m.amount_cents, m.campaign_id, f.id, n, 'match:large' || n || ':' || f.id, 'payment'
    FROM generate_series(:low, least(:high, :matched)) n, donation m JOIN fund f ON f.campaign_id = m.campaign_id WHERE m.id = :model ORDER BY n
    """,
    """
    INSERT INTO match_queue (donation_id, campaign_id, position, net_cents)
    SELECT n, m.campaign_id, n, m.amount_cents
    FROM generate_series(greatest(:low, :matched + 1), :high) n, donation m WHERE m.id = :model
    """,
    """
    INSERT INTO ledger_entry (kind, from_account, to_account, cents, campaign_id, donation_id, reference, cause)
    SELECT 'fee', 'stripe', 'fees', :fee, m.campaign_id, n, 'fee:large' || n, 'txn_large' || n
    FROM generate_series(:low, :high) n, donation m WHERE m.id = :model ORDER BY n
    """,
    """
    INSERT INTO balance_transaction (stripe_id, type, category, source, payment_intent, cents, fee_cents, net_cents, currency, created_at, stored_at, posted_at, charged_at)
    SELECT 'txn_large' || n, 'charge', 'charge', 'ch_large' || n, 'pi_large' || n, m.amount_cents, :fee, m.amount_cents - :fee, m.currency,
           now() - interval '1 hour', now() - interval '1 hour', now(), date_trunc('second', now())
    FROM generate_series(:low, :high) n, donation m WHERE m.id = :model
    """,
    """
    INSERT INTO receipt (id, charity_id, year, number, serial, content, issued_at, check_code)
    SELECT n, r.charity_id, r.year, r.number + n - :first + 1,
           (CASE r.year WHEN 0 THEN '' ELSE r.year || '-' END) || lpad((r.number + n - :first + 1)::text, greatest(6, length((r.number + n - :first + 1)::text)), '0'),
           r.content || jsonb_build_object('received_on', (date_trunc('second', now()) AT TIME ZONE h.time_zone)::date), now() - interval '1 hour', 'large' || n
    FROM generate_series(:low, :high) n, receipt r JOIN charity h ON h.id = r.charity_id WHERE r.id = :receipt
    """,
    "UPDATE receipt_series s SET last_number = (SELECT max(number) FROM receipt r WHERE r.charity_id = s.charity_id AND r.year = s.year)",
    """
    INSERT INTO receipt_line (receipt_id, donation_id, cents)
    SELECT n, n, m.amount_cents FROM generate_series(:low, :high) n, donation m WHERE m.id = :model
    """,
    """
    INSERT INTO receipt_document (receipt_id, kind, pdf, sha256)
    SELECT n, d.kind, d.pdf, sha256(d.pdf)
    FROM (VALUES ('archived', CAST(:archived AS bytea)), ('signed', CAST(:signed AS bytea))) d (kind, pdf), generate_series(:low, :high) n
    """,
    """
    INSERT INTO outbox (id, key, kind, donation_id, created_at, message_id, done_at)
    SELECT n, 'receipt:large' || n, 'receipt', n, now() - interval '1 hour', '<large' || n || '@example.org>', now() FROM generate_series(:low, :high) n
    """,
    """
    INSERT INTO frozen_email (outbox_id, recipient, recipient_name, sender_name, language, subject, sealed_plain, sealed_html, receipt_id)
    SELECT n, 'large' || n || '@example.org', 'Zoë Roy', 'Charity', 'en', 'Your receipt', CAST(:plain AS bytea), CAST(:html AS bytea), n
    FROM generate_series(:low, :high) n
    """,
    """
    INSERT INTO delivery_attempt (outbox_id, started_at, sha256, ended_at, outcome)
    SELECT n, now() - interval '1 hour', sha256(convert_to('email ' || n, 'UTF8')), now(), 'accepted' FROM generate_series(:low, :high) n
    """,
)


def fill(count: int, *, matched: int, first: int = FIRST, documents: dict[str, int] = SMALL_DOCUMENTS) -> None:
    """Add `count` donations with ids from `first` to the first campaign, as if they had been made an hour ago; the first `matched` are matched.

    What the fund has left is given to them, so that nobody waits while there is money.
    """
    campaign = current_campaign()
    assert campaign
    (fund,) = funds_of(campaign.id)
    if matched:
        matched = max(matched, fund.available_cents // CENTS)
        raise_pledge(fund, (1 + matched) * CENTS - fund.available_cents, reason="so many are matched")
    drain(1, name=f"model-{first}")
    model = db.session.scalars(select(Donation).where(Donation.attempt == f"model-{first}-0")).one()
    receipt = lifecycle.bring_up_to_date(model, render_jobs.issue_context()).receipt
    assert receipt
    constants = {
        "first": first,
        "matched": first + matched - 1,
        "held": first + matched - 1 - 4 * CHUNK,  # At the end, holds would be more than the share that is left.
        "model": model.id,
        "receipt": receipt.id,
        "gifts": GIFTS_OF_A_DONOR,
        "fee": FEE_CENTS,
        "plain": seal(services().keys, "A line of the email. " * 50),
        "html": seal(services().keys, "<p>A line of the email.</p>" * 200),
        **{kind: secrets.token_bytes(size) for kind, size in documents.items()},
    }
    db.session.commit()
    for low in range(first, first + count, CHUNK):
        numbers = {**constants, "low": low, "high": min(low + CHUNK, first + count) - 1}
        for statement in map(text, COPY):
            db.session.execute(statement, {name: numbers[name] for name in statement.compile().params})
        db.session.commit()
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))  # As autovacuum does in books that grow for months.
