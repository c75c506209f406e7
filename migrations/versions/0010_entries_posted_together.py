"""Entries of one statement are chained one after the other and move the balances together, once, when all of them are in.

Moving the one hot row of a fund for each entry made every batch dearer than the one before it.
"""

from alembic import op

revision = "0010"
down_revision = "0009"

TEXT_OF_NEW = (
    "ledger_entry_text(NEW.chain, NEW.position, NEW.kind, NEW.from_account, NEW.to_account, NEW.cents, NEW.reference, NEW.cause, NEW.at)"
)
BY_ROW = {"chain_ledger_entry": "retired_chain_by_head", "move_balances": "retired_move_by_row"}
TOGETHER = {"move": "move_balances", "move_matches": "move_matches", "refuse": "refuse_beyond_terms"}
# Few entries meet large tables: each is looked up by its index, whatever the planner has heard of the tables' sizes.
BY_INDEX = "SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off"


def upgrade() -> None:
    op.execute("DROP TRIGGER chain ON ledger_entry")
    op.execute("DROP TRIGGER move ON ledger_entry")
    for now, retired in BY_ROW.items():
        op.execute(f"ALTER FUNCTION {now}() RENAME TO {retired}")
    op.execute("""
        CREATE FUNCTION moved(account text, source text, target text, cents bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
            SELECT CASE account WHEN target THEN cents WHEN source THEN -cents ELSE 0 END
        $$
    """)
    _chaining()
    _moving_balances()
    _moving_matches()
    _refusing()
    op.execute("CREATE TRIGGER chain BEFORE INSERT ON ledger_entry FOR EACH ROW EXECUTE FUNCTION chain_ledger_entry()")
    for trigger, function in TOGETHER.items():  # They fire in the order of their names.
        op.execute(f"""
            CREATE TRIGGER {trigger} AFTER INSERT ON ledger_entry REFERENCING NEW TABLE AS posted
            FOR EACH STATEMENT EXECUTE FUNCTION {function}()
        """)
    _locking()
    op.execute("DROP INDEX ix_stripe_event_waiting")
    op.execute("CREATE INDEX ix_stripe_event_fresh ON stripe_event (id) WHERE done_at IS NULL AND dead_at IS NULL AND attempts = 0")


def _chaining() -> None:
    """The head of a chain is its last entry, those of this statement too; the row that keeps the head is locked, so that there is one."""
    op.execute(f"""
        CREATE FUNCTION chain_ledger_entry() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            last_position bigint;
            last_hash bytea;
        BEGIN
            IF NEW.fund_id IS NOT NULL THEN
                NEW.chain := 'fund:' || NEW.fund_id;
                PERFORM FROM fund WHERE id = NEW.fund_id AND campaign_id = NEW.campaign_id FOR NO KEY UPDATE;
            ELSE
                NEW.chain := 'campaign:' || NEW.campaign_id;
                PERFORM FROM campaign_totals WHERE campaign_id = NEW.campaign_id FOR NO KEY UPDATE;
            END IF;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'entry % has no fund or campaign to move', NEW.reference USING ERRCODE = 'foreign_key_violation';
            END IF;
            SELECT position, hash INTO last_position, last_hash FROM ledger_entry WHERE chain = NEW.chain ORDER BY position DESC LIMIT 1;
            NEW.at := clock_timestamp();  -- Under the lock of the chain, so that what is chained later is later.
            NEW.position := coalesce(last_position, 0) + 1;
            NEW.digest := sha256(convert_to({TEXT_OF_NEW}, 'UTF8'));
            NEW.hash := sha256(coalesce(last_hash, '') || NEW.digest);
            RETURN NEW;
        END $$
    """)


def _locking() -> None:
    """What is read after the lock is of the moment when it was given: each statement of a volatile function sees anew."""
    op.execute("""
        CREATE FUNCTION locked_funds(campaign_ids bigint[]) RETURNS TABLE (f fund, is_healing boolean) LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM FROM campaign WHERE id = ANY (campaign_ids) ORDER BY id FOR NO KEY UPDATE;
            RETURN QUERY SELECT a, EXISTS (SELECT FROM healing h WHERE h.campaign_id = a.campaign_id)
                FROM fund a WHERE a.campaign_id = ANY (campaign_ids) AND a.activated_at IS NOT NULL ORDER BY a.position;
        END $$
    """)


def _moving_balances() -> None:
    op.execute(f"""
        CREATE FUNCTION move_balances() RETURNS trigger LANGUAGE plpgsql {BY_INDEX} AS $$
        BEGIN
            UPDATE fund f SET
                pledged_cents = f.pledged_cents + s.pledged,
                held_cents = f.held_cents + s.held,
                matched_cents = f.matched_cents + s.matched,
                chain_entries = s.last_position,
                chain_hash = s.last_hash
            FROM (
                SELECT fund_id, sum(moved('outside', to_account, from_account, cents))::bigint AS pledged,
                       sum(moved('held', from_account, to_account, cents))::bigint AS held,
                       sum(moved('matched', from_account, to_account, cents))::bigint AS matched,
                       max(position) AS last_position, (array_agg(hash ORDER BY position DESC))[1] AS last_hash
                FROM posted WHERE fund_id IS NOT NULL GROUP BY fund_id) s
            WHERE f.id = s.fund_id;
            IF NOT EXISTS (SELECT FROM posted WHERE fund_id IS NULL) THEN
                RETURN NULL;
            END IF;
            UPDATE donation d SET net_cents = d.net_cents + s.given FROM (
                SELECT donation_id, sum(moved('donations', to_account, from_account, cents))::bigint AS given
                FROM posted WHERE 'donations' IN (from_account, to_account) GROUP BY donation_id) s
            WHERE d.id = s.donation_id;
            WITH new_donor AS (
                INSERT INTO campaign_donor
                SELECT p.campaign_id, d.donor_id FROM posted p JOIN donation d ON d.id = p.donation_id
                WHERE p.kind IN ('donation', 'offline') ON CONFLICT DO NOTHING RETURNING campaign_id
            )
            UPDATE campaign_totals t SET
                donated_cents = t.donated_cents + s.given,
                covered_fee_cents = t.covered_fee_cents + s.covered,
                fee_cents = t.fee_cents + s.fees,
                donations = t.donations + s.donations,
                donors = t.donors + (SELECT count(*) FROM new_donor n WHERE n.campaign_id = t.campaign_id),
                chain_entries = s.last_position,
                chain_hash = s.last_hash
            FROM (
                SELECT campaign_id, count(*) FILTER (WHERE kind IN ('donation', 'offline')) AS donations,
                       sum(moved('donations', to_account, from_account, cents))::bigint AS given,
                       sum(moved('covered_fees', to_account, from_account, cents))::bigint AS covered,
                       sum(moved('fees', from_account, to_account, cents))::bigint AS fees,
                       max(position) AS last_position, (array_agg(hash ORDER BY position DESC))[1] AS last_hash
                FROM posted WHERE fund_id IS NULL GROUP BY campaign_id) s
            WHERE t.campaign_id = s.campaign_id;
            RETURN NULL;
        END $$
    """)


def _moving_matches() -> None:
    """A row that is there is moved; only where none is, one is made: a first move that takes away is refused by the row's own CHECK."""
    op.execute(f"""
        CREATE FUNCTION move_matches() RETURNS trigger LANGUAGE plpgsql {BY_INDEX} AS $$
        BEGIN
            IF NOT EXISTS (SELECT FROM posted WHERE fund_id IS NOT NULL AND donation_id IS NOT NULL) THEN
                RETURN NULL;
            END IF;
            UPDATE donation_match m SET
                held_cents = m.held_cents + s.held, matched_cents = m.matched_cents + s.matched, moves = m.moves + s.moves
            FROM (
                SELECT donation_id, fund_id, sum(moved('held', from_account, to_account, cents))::bigint AS held,
                       sum(moved('matched', from_account, to_account, cents))::bigint AS matched, count(*) AS moves
                FROM posted WHERE fund_id IS NOT NULL AND donation_id IS NOT NULL GROUP BY donation_id, fund_id) s
            WHERE m.donation_id = s.donation_id AND m.fund_id = s.fund_id;
            INSERT INTO donation_match (donation_id, fund_id, held_cents, matched_cents, moves)
            SELECT p.donation_id, p.fund_id, sum(moved('held', from_account, to_account, cents)),
                   sum(moved('matched', from_account, to_account, cents)), count(*)
            FROM posted p LEFT JOIN donation_match m ON m.donation_id = p.donation_id AND m.fund_id = p.fund_id
            WHERE p.fund_id IS NOT NULL AND p.donation_id IS NOT NULL AND m.donation_id IS NULL GROUP BY p.donation_id, p.fund_id;
            IF NOT EXISTS (SELECT FROM posted p JOIN fund f ON f.id = p.fund_id WHERE f.per_donor_cents IS NOT NULL) THEN
                RETURN NULL;
            END IF;
            UPDATE donor_match m SET cents = m.cents + s.cents
            FROM (
                SELECT p.fund_id, d.donor_id, -sum(moved('available', from_account, to_account, p.cents))::bigint AS cents
                FROM posted p JOIN fund f ON f.id = p.fund_id JOIN donation d ON d.id = p.donation_id
                WHERE f.per_donor_cents IS NOT NULL GROUP BY p.fund_id, d.donor_id) s
            WHERE m.fund_id = s.fund_id AND m.donor_id = s.donor_id;
            INSERT INTO donor_match (fund_id, donor_id, cents)
            SELECT p.fund_id, d.donor_id, -sum(moved('available', from_account, to_account, p.cents))
            FROM posted p JOIN fund f ON f.id = p.fund_id JOIN donation d ON d.id = p.donation_id
            LEFT JOIN donor_match m ON m.fund_id = p.fund_id AND m.donor_id = d.donor_id
            WHERE f.per_donor_cents IS NOT NULL AND m.donor_id IS NULL GROUP BY p.fund_id, d.donor_id;
            RETURN NULL;
        END $$
    """)


def _refusing() -> None:
    """What a fund gives to a gift is within both their terms, once all that was posted together is in."""
    op.execute(f"""
        CREATE FUNCTION refuse_beyond_terms() RETURNS trigger LANGUAGE plpgsql {BY_INDEX} AS $$
        DECLARE
            broken record;
        BEGIN
            SELECT c.reference, c.rule INTO broken FROM (
                SELECT p.id, p.reference, CASE
                    WHEN d.campaign_id <> p.campaign_id THEN 'match_is_of_the_campaign'
                    WHEN p.kind = 'hold' AND d.paid_at IS NOT NULL THEN 'hold_is_before_payment'
                    WHEN p.kind = 'match' AND d.net_cents = 0 AND m.matched_cents > 0 THEN 'matched_is_paid'
                    WHEN g.covered > CASE p.kind WHEN 'hold' THEN d.amount_cents ELSE d.net_cents END THEN 'within_gift'
                    WHEN d.amount_cents < f.minimum_cents THEN 'above_minimum'
                    WHEN m.held_cents + m.matched_cents > f.per_donation_cents THEN 'within_donation_cap'
                    WHEN o.cents > f.per_donor_cents THEN 'within_donor_cap'
                    WHEN p.from_account = 'available' AND (f.activated_at IS NULL OR f.paused_at IS NOT NULL) THEN 'fund_gives'
                    WHEN p.from_account = 'available' AND NOT coalesce(
                        fund_is_open(f, CASE p.kind WHEN 'hold' THEN now() ELSE d.paid_at END), false) THEN 'within_window'
                END AS rule
                FROM posted p
                JOIN donation d ON d.id = p.donation_id
                JOIN fund f ON f.id = p.fund_id
                JOIN donation_match m ON m.donation_id = p.donation_id AND m.fund_id = p.fund_id
                LEFT JOIN donor_match o ON o.fund_id = p.fund_id AND o.donor_id = d.donor_id
                CROSS JOIN LATERAL (
                    SELECT sum(ceil((a.held_cents + a.matched_cents) * b.ratio_denominator::numeric / b.ratio_numerator)) AS covered
                    FROM donation_match a JOIN fund b ON b.id = a.fund_id WHERE a.donation_id = p.donation_id) g
                WHERE p.kind IN ('hold', 'match')) c
            WHERE c.rule IS NOT NULL ORDER BY c.id LIMIT 1;
            IF FOUND THEN
                PERFORM must(false, broken.rule, broken.reference);
            END IF;
            RETURN NULL;
        END $$
    """)


def downgrade() -> None:
    op.execute("DROP FUNCTION locked_funds(bigint[])")
    op.execute("DROP INDEX ix_stripe_event_fresh")
    op.execute("CREATE INDEX ix_stripe_event_waiting ON stripe_event (id) WHERE done_at IS NULL AND dead_at IS NULL")
    for trigger, function in TOGETHER.items():
        op.execute(f"DROP TRIGGER {trigger} ON ledger_entry")
        op.execute(f"DROP FUNCTION {function}()")
    op.execute("DROP TRIGGER chain ON ledger_entry")
    op.execute("DROP FUNCTION chain_ledger_entry()")
    op.execute("DROP FUNCTION moved(text, text, text, bigint)")
    for now, retired in BY_ROW.items():
        op.execute(f"ALTER FUNCTION {retired}() RENAME TO {now}")
    op.execute("CREATE TRIGGER chain BEFORE INSERT ON ledger_entry FOR EACH ROW EXECUTE FUNCTION chain_ledger_entry()")
    op.execute("CREATE TRIGGER move AFTER INSERT ON ledger_entry FOR EACH ROW EXECUTE FUNCTION move_balances()")
