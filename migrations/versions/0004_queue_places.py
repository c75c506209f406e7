"""A donation has a place in the match queue for each part of it, and a pending rematch knows what freed money after it began.

A migration is small, reversible and safe while the previous version runs; this one comes before the first release, and changes a key.
"""

from alembic import op

revision = "queue_places"
down_revision = "dispute_details"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE pending_rematch ADD next_cause text;
        UPDATE pending_rematch SET next_cause = cause WHERE restart;
        ALTER TABLE pending_rematch DROP restart;
        CREATE TEMPORARY TABLE queued ON COMMIT DROP AS TABLE match_queue;
        DELETE FROM match_queue;
        ALTER TABLE match_queue
            ADD net_cents bigint NOT NULL,
            DROP CONSTRAINT pk_match_queue,
            ADD CONSTRAINT pk_match_queue PRIMARY KEY (donation_id, position),
            ADD CONSTRAINT place_has_a_sum CHECK (net_cents > 0);
        INSERT INTO match_queue (donation_id, campaign_id, position, net_cents, capped_donor_id)
        SELECT donation_id, campaign_id, position, net_cents, capped_donor_id FROM (
            SELECT q.donation_id, q.campaign_id, m.id AS position, q.capped_donor_id, m.change, m.after - m.change AS before,
                   least(m.after, min(m.after) OVER (PARTITION BY m.donation_id ORDER BY m.id ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING))
                       AS net_cents,
                   (SELECT coalesce(sum(d.matched_cents), 0) FROM donation_match d WHERE d.donation_id = q.donation_id) AS matched
            FROM queued q JOIN (
                SELECT e.donation_id, e.id, c.change, sum(c.change) OVER (PARTITION BY e.donation_id ORDER BY e.id) AS after
                FROM ledger_entry e CROSS JOIN LATERAL (VALUES (CASE WHEN e.kind IN ('donation', 'reinstatement') THEN e.cents ELSE -e.cents END))
                    c (change)
                WHERE e.kind IN ('donation', 'reinstatement', 'refund', 'dispute')) m ON m.donation_id = q.donation_id) p
        WHERE change > 0 AND net_cents > before AND net_cents > matched;
        DROP TABLE queued;
    """)


def downgrade() -> None:
    op.execute("""
        ALTER TABLE pending_rematch ADD restart boolean NOT NULL DEFAULT false;
        UPDATE pending_rematch SET restart = next_cause IS NOT NULL;
        ALTER TABLE pending_rematch DROP next_cause;
        CREATE TEMPORARY TABLE queued ON COMMIT DROP AS
        SELECT donation_id, campaign_id, max(position) AS position, max(capped_donor_id) AS capped_donor_id FROM match_queue GROUP BY 1, 2;
        DELETE FROM match_queue;
        ALTER TABLE match_queue
            DROP CONSTRAINT place_has_a_sum,
            DROP CONSTRAINT pk_match_queue,
            ADD CONSTRAINT pk_match_queue PRIMARY KEY (donation_id),
            DROP net_cents;
        INSERT INTO match_queue (donation_id, campaign_id, position, capped_donor_id)
        SELECT donation_id, campaign_id, position, capped_donor_id FROM queued;
        DROP TABLE queued;
    """)
