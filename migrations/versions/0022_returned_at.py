"""When the money of a refund or dispute went back, by Stripe, and information returns whose 90 days run from then.

A return may also be of a funder's payment, and names the reversals that it reports. The version before dates the returns that it opens
itself by when they were reported, and names no reversals.
"""

from alembic import op

revision = "returned_at"
down_revision = "role_since"

# By what is stored, the most exact first: the withdrawal of a dispute, the object in an event, the entry that posted it.
RETURNED_AT = """
    WITH withdrawn AS (
        SELECT source AS stripe_id, min(created_at) AS at FROM balance_transaction WHERE cents < 0 AND source LIKE 'd%' GROUP BY source),
    created AS (
        SELECT e.object ->> 'id' AS stripe_id, to_timestamp(min((e.object ->> 'created')::bigint)) AS at
        FROM (SELECT convert_from(body, 'UTF8')::json #> '{data,object}' AS object FROM stripe_event
              WHERE type LIKE 'refund.%' OR type LIKE 'charge.dispute.%') e
        WHERE e.object ->> 'created' ~ '^[0-9]{1,10}$' GROUP BY 1),
    posted AS (
        SELECT split_part(reference, ':', 2) AS stripe_id, min(at) AS at FROM ledger_entry WHERE kind IN ('refund', 'dispute') GROUP BY 1)
    UPDATE reversal r SET returned_at = coalesce(w.at, c.at, p.at)
    FROM reversal x
    LEFT JOIN withdrawn w ON x.kind = 'dispute' AND w.stripe_id = x.stripe_id
    LEFT JOIN created c ON c.stripe_id = x.stripe_id
    LEFT JOIN posted p ON p.stripe_id = x.stripe_id
    WHERE r.id = x.id
"""
# The first open return of a donation is dated by the reversal with which more than $50 had been returned. The first receipt was for what the
# charity had then.
DATED = """
    WITH moved AS (
        SELECT d.id AS donation_id, r.id, r.returned_at, h.time_zone,
            sum(r.posted_cents) OVER (PARTITION BY d.id ORDER BY r.returned_at, r.id) AS returned_cents,
            d.amount_cents + d.covered_fee_cents - (SELECT max(l.cents) FROM receipt_line l WHERE l.donation_id = d.id) AS before_receipt
        FROM reversal r JOIN donation d USING (payment_intent) JOIN campaign c ON c.id = d.campaign_id JOIN charity h ON h.id = c.charity_id
        WHERE r.posted_cents > 0),
    dated AS (
        SELECT donation_id, (min(returned_at) FILTER (WHERE returned_cents > before_receipt + 5000) AT TIME ZONE min(time_zone))::date AS day
        FROM moved GROUP BY donation_id)
    UPDATE information_return i SET returned_on = dated.day, due_on = dated.day + 90
    FROM dated
    WHERE dated.donation_id = i.donation_id AND i.closed_at IS NULL AND dated.day < i.returned_on
        AND NOT EXISTS (SELECT FROM information_return e WHERE e.donation_id = i.donation_id AND e.id < i.id)
"""
# What was opened until now reports all that had been returned.
REPORTED = """
    UPDATE information_return i SET reversal_ids = coalesce((
        SELECT array_agg(r.id ORDER BY r.id) FROM reversal r JOIN donation d USING (payment_intent)
        WHERE d.id = i.donation_id AND r.posted_cents > 0
            AND EXISTS (SELECT FROM ledger_entry e WHERE e.donation_id = d.id AND e.reference LIKE '%:' || r.stripe_id || ':%' AND e.at <= i.opened_at)
            AND NOT EXISTS (SELECT FROM ledger_entry e JOIN information_return o ON o.donation_id = e.donation_id AND o.id < i.id
                            WHERE e.donation_id = d.id AND e.reference LIKE '%:' || r.stripe_id || ':%' AND e.at <= o.opened_at)), '{}')
"""


def upgrade() -> None:
    op.execute("""
        ALTER TABLE reversal ADD returned_at timestamptz;
        ALTER TABLE information_return
            ALTER donation_id DROP NOT NULL,
            ADD funder_payment_id bigint,
            ADD reversal_ids bigint[] NOT NULL DEFAULT '{}',
            ADD CONSTRAINT information_return_receipt_id_funder_payment_id_is_unique UNIQUE (receipt_id, funder_payment_id),
            ADD CONSTRAINT return_is_of_one_gift CHECK (num_nonnulls(donation_id, funder_payment_id) = 1),
            ADD CONSTRAINT information_return_funder_payment_id_exists FOREIGN KEY (funder_payment_id) REFERENCES funder_payment (id);
    """)
    op.execute(RETURNED_AT)
    op.execute(DATED)
    op.execute(REPORTED)


def downgrade() -> None:
    op.execute("""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM information_return WHERE funder_payment_id IS NOT NULL) THEN
                RAISE EXCEPTION 'an information return is about a payment of a funder, which the version before does not know';
            END IF;
        END $$;
        ALTER TABLE information_return DROP reversal_ids, DROP funder_payment_id, ALTER donation_id SET NOT NULL;
        ALTER TABLE reversal DROP returned_at;
    """)
