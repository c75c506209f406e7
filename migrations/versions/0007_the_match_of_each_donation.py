"""What each fund holds and has matched for each donation, moved by the ledger alone; and who waits for match that may come free."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE donation
            ADD COLUMN client_key text NOT NULL DEFAULT '',
            ADD COLUMN net_cents bigint NOT NULL DEFAULT 0 CONSTRAINT net_is_of_the_gift CHECK (net_cents BETWEEN 0 AND amount_cents),
            ADD COLUMN match_limit text,
            ADD COLUMN cancelled_at timestamptz
    """)
    op.execute("""
        CREATE TABLE donation_match (
            donation_id bigint NOT NULL CONSTRAINT donation_match_donation_id_exists REFERENCES donation (id),
            fund_id bigint NOT NULL CONSTRAINT donation_match_fund_id_exists REFERENCES fund (id),
            held_cents bigint NOT NULL DEFAULT 0 CONSTRAINT held_for_a_donation_is_not_negative CHECK (held_cents >= 0),
            matched_cents bigint NOT NULL DEFAULT 0 CONSTRAINT matched_of_a_donation_is_not_negative CHECK (matched_cents >= 0),
            moves bigint NOT NULL DEFAULT 0,
            CONSTRAINT pk_donation_match PRIMARY KEY (donation_id, fund_id)
        )
    """)
    op.execute("""
        CREATE TABLE donor_match (
            fund_id bigint NOT NULL CONSTRAINT donor_match_fund_id_exists REFERENCES fund (id),
            donor_id bigint NOT NULL CONSTRAINT donor_match_donor_id_exists REFERENCES donor (id),
            cents bigint NOT NULL DEFAULT 0 CONSTRAINT match_of_a_donor_is_not_negative CHECK (cents >= 0),
            CONSTRAINT pk_donor_match PRIMARY KEY (fund_id, donor_id)
        )
    """)
    op.execute("""
        CREATE TABLE under_matched (
            donation_id bigint CONSTRAINT pk_under_matched PRIMARY KEY
                CONSTRAINT under_matched_donation_id_exists REFERENCES donation (id),
            campaign_id bigint NOT NULL CONSTRAINT under_matched_campaign_id_exists REFERENCES campaign (id),
            place bigint NOT NULL,
            capped_donor_id bigint CONSTRAINT under_matched_capped_donor_id_exists REFERENCES donor (id)
        )
    """)
    op.execute("CREATE INDEX ix_under_matched_campaign_id_place ON under_matched (campaign_id, place) WHERE capped_donor_id IS NULL")
    op.execute("CREATE INDEX ix_under_matched_capped_donor_id ON under_matched (capped_donor_id) WHERE capped_donor_id IS NOT NULL")
    op.execute("""
        CREATE TABLE healing (
            campaign_id bigint CONSTRAINT pk_healing PRIMARY KEY CONSTRAINT healing_campaign_id_exists REFERENCES campaign (id),
            after_place bigint NOT NULL DEFAULT 0,
            again boolean NOT NULL DEFAULT false,
            cause text NOT NULL,
            began_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("CREATE INDEX ix_donation_open_client ON donation (client_key) WHERE paid_at IS NULL AND ended_at IS NULL")
    _filling()
    _moving()
    _guarding()


def _filling() -> None:
    """What the entries so far come to."""
    op.execute("""
        INSERT INTO donation_match (donation_id, fund_id, held_cents, matched_cents, moves)
        SELECT donation_id, fund_id,
               sum(CASE 'held' WHEN to_account THEN cents WHEN from_account THEN -cents ELSE 0 END),
               sum(CASE 'matched' WHEN to_account THEN cents WHEN from_account THEN -cents ELSE 0 END), count(*)
        FROM ledger_entry WHERE fund_id IS NOT NULL AND donation_id IS NOT NULL GROUP BY 1, 2
    """)
    op.execute("""
        UPDATE donation d SET net_cents = s.cents FROM (
            SELECT donation_id, sum(CASE 'donations' WHEN from_account THEN cents WHEN to_account THEN -cents ELSE 0 END) AS cents
            FROM ledger_entry WHERE fund_id IS NULL AND donation_id IS NOT NULL GROUP BY 1) s
        WHERE s.donation_id = d.id
    """)
    op.execute("""
        INSERT INTO under_matched (campaign_id, donation_id, place)
        SELECT d.campaign_id, d.id, e.id FROM donation d
        JOIN ledger_entry e ON e.donation_id = d.id AND e.kind = 'donation'
        LEFT JOIN LATERAL (SELECT coalesce(sum(ceil(m.matched_cents * f.ratio_denominator::numeric / f.ratio_numerator)), 0) AS cents
                           FROM donation_match m JOIN fund f ON f.id = m.fund_id WHERE m.donation_id = d.id) c ON true
        WHERE c.cents < d.net_cents AND EXISTS (SELECT FROM fund WHERE fund.campaign_id = d.campaign_id)
    """)
    op.execute("INSERT INTO healing (campaign_id, cause) SELECT DISTINCT campaign_id, 'healed/activated' FROM under_matched")


def _moving() -> None:
    op.execute("ALTER FUNCTION move_balances() RENAME TO retired_move_balances")
    op.execute("DROP TRIGGER move ON ledger_entry")
    op.execute("""
        CREATE FUNCTION move_match(e ledger_entry) RETURNS void LANGUAGE plpgsql AS $$
        DECLARE
            d record;
            f record;
            now_held bigint;
            now_matched bigint;
            to_held bigint := CASE 'held' WHEN e.to_account THEN e.cents WHEN e.from_account THEN -e.cents ELSE 0 END;
            to_matched bigint := CASE 'matched' WHEN e.to_account THEN e.cents WHEN e.from_account THEN -e.cents ELSE 0 END;
            of_donor bigint;
            covered numeric;
            broken text;
        BEGIN
            SELECT campaign_id, donor_id, amount_cents, net_cents, paid_at INTO d FROM donation WHERE id = e.donation_id;
            SELECT per_donor_cents, per_donation_cents, minimum_cents, activated_at IS NOT NULL AND paused_at IS NULL AS gives,
                   fund_is_open(fund, CASE e.kind WHEN 'hold' THEN now() ELSE d.paid_at END) AS is_open
            INTO f FROM fund WHERE id = e.fund_id;
            UPDATE donation_match SET held_cents = held_cents + to_held, matched_cents = matched_cents + to_matched, moves = moves + 1
            WHERE donation_id = e.donation_id AND fund_id = e.fund_id RETURNING held_cents, matched_cents INTO now_held, now_matched;
            IF NOT FOUND THEN
                INSERT INTO donation_match VALUES (e.donation_id, e.fund_id, to_held, to_matched, 1);
                now_held := to_held;
                now_matched := to_matched;
            END IF;
            IF f.per_donor_cents IS NOT NULL AND to_held + to_matched <> 0 THEN
                UPDATE donor_match SET cents = cents + to_held + to_matched
                WHERE fund_id = e.fund_id AND donor_id = d.donor_id RETURNING cents INTO of_donor;
                IF NOT FOUND THEN
                    INSERT INTO donor_match VALUES (e.fund_id, d.donor_id, to_held + to_matched);
                    of_donor := to_held + to_matched;
                END IF;
            END IF;
            IF e.kind NOT IN ('hold', 'match') THEN
                RETURN;
            END IF;
            SELECT sum(ceil((m.held_cents + m.matched_cents) * g.ratio_denominator::numeric / g.ratio_numerator)) INTO covered
            FROM donation_match m JOIN fund g ON g.id = m.fund_id WHERE m.donation_id = e.donation_id;
            broken := CASE
                WHEN d.campaign_id <> e.campaign_id THEN 'match_is_of_the_campaign'
                WHEN e.kind = 'hold' AND d.paid_at IS NOT NULL THEN 'hold_is_before_payment'
                WHEN e.kind = 'match' AND d.net_cents = 0 THEN 'matched_is_paid'
                WHEN covered > CASE e.kind WHEN 'hold' THEN d.amount_cents ELSE d.net_cents END THEN 'within_gift'
                WHEN d.amount_cents < f.minimum_cents THEN 'above_minimum'
                WHEN now_held + now_matched > f.per_donation_cents THEN 'within_donation_cap'
                WHEN of_donor > f.per_donor_cents THEN 'within_donor_cap'
                WHEN e.from_account = 'available' AND NOT f.gives THEN 'fund_gives'
                WHEN e.from_account = 'available' AND NOT coalesce(f.is_open, false) THEN 'within_window'
            END;
            IF broken IS NOT NULL THEN
                PERFORM must(false, broken, e.reference);
            END IF;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION must(is_so boolean, name text, reference text) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            IF NOT is_so THEN
                RAISE EXCEPTION '% is refused: not %', reference, name USING ERRCODE = 'check_violation', CONSTRAINT = name;
            END IF;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION fund_is_open(f fund, moment timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
            SELECT (f.opens_at IS NULL OR f.opens_at <= moment) AND (f.closes_at IS NULL OR moment < f.closes_at)
               AND (f.ended_at IS NULL OR moment < f.ended_at)
        $$
    """)
    op.execute("""
        CREATE FUNCTION move_balances() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            new_donors bigint := 0;
            given bigint := CASE 'donations' WHEN NEW.from_account THEN NEW.cents WHEN NEW.to_account THEN -NEW.cents ELSE 0 END;
        BEGIN
            IF NEW.fund_id IS NOT NULL THEN
                IF NEW.donation_id IS NOT NULL THEN
                    PERFORM move_match(NEW);
                END IF;
                UPDATE fund SET
                    pledged_cents = pledged_cents + CASE WHEN NEW.from_account = 'outside' THEN NEW.cents ELSE 0 END,
                    held_cents = held_cents + CASE 'held' WHEN NEW.to_account THEN NEW.cents WHEN NEW.from_account THEN -NEW.cents ELSE 0 END,
                    matched_cents = matched_cents
                        + CASE 'matched' WHEN NEW.to_account THEN NEW.cents WHEN NEW.from_account THEN -NEW.cents ELSE 0 END,
                    chain_entries = NEW.position,
                    chain_hash = NEW.hash
                WHERE id = NEW.fund_id;
                RETURN NULL;
            END IF;
            IF NEW.kind IN ('donation', 'offline') THEN
                INSERT INTO campaign_donor SELECT NEW.campaign_id, donor_id FROM donation WHERE id = NEW.donation_id
                ON CONFLICT DO NOTHING;
                GET DIAGNOSTICS new_donors = ROW_COUNT;
            END IF;
            IF given <> 0 THEN
                UPDATE donation SET net_cents = net_cents + given WHERE id = NEW.donation_id;
            END IF;
            UPDATE campaign_totals SET
                donated_cents = donated_cents + given,
                covered_fee_cents = covered_fee_cents
                    + CASE 'covered_fees' WHEN NEW.from_account THEN NEW.cents WHEN NEW.to_account THEN -NEW.cents ELSE 0 END,
                fee_cents = fee_cents + CASE 'fees' WHEN NEW.to_account THEN NEW.cents WHEN NEW.from_account THEN -NEW.cents ELSE 0 END,
                donations = donations + CASE WHEN NEW.kind IN ('donation', 'offline') THEN 1 ELSE 0 END,
                donors = donors + new_donors,
                chain_entries = NEW.position,
                chain_hash = NEW.hash
            WHERE campaign_id = NEW.campaign_id;
            RETURN NULL;
        END $$
    """)
    op.execute("CREATE TRIGGER move AFTER INSERT ON ledger_entry FOR EACH ROW EXECUTE FUNCTION move_balances()")


def _guarding() -> None:
    for table in ("donation_match", "donor_match"):
        op.execute(f"""
            CREATE TRIGGER moved_by_the_ledger_alone BEFORE INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW
            WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION refuse_move_by_hand()
        """)
    op.execute("""
        CREATE TRIGGER moved_by_the_ledger_alone BEFORE UPDATE ON donation FOR EACH ROW
        WHEN (pg_trigger_depth() = 0 AND OLD.net_cents <> NEW.net_cents) EXECUTE FUNCTION refuse_move_by_hand()
    """)
    op.execute("""
        CREATE TRIGGER begins_at_nothing BEFORE INSERT ON donation FOR EACH ROW
        WHEN (NEW.net_cents <> 0) EXECUTE FUNCTION refuse_move_by_hand()
    """)
    op.execute("""
        CREATE FUNCTION refuse_match_beyond_net() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM must(coalesce(sum(ceil(m.matched_cents * f.ratio_denominator::numeric / f.ratio_numerator)), 0)
                         <= (SELECT net_cents FROM donation WHERE id = NEW.donation_id), 'within_net_gift', NEW.reference)
            FROM donation_match m JOIN fund f ON f.id = m.fund_id WHERE m.donation_id = NEW.donation_id;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE CONSTRAINT TRIGGER match_falls_with_the_gift AFTER INSERT ON ledger_entry DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
        WHEN (NEW.kind IN ('refund', 'dispute')) EXECUTE FUNCTION refuse_match_beyond_net()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER match_falls_with_the_gift ON ledger_entry")
    op.execute("DROP FUNCTION refuse_match_beyond_net()")
    op.execute("DROP TRIGGER begins_at_nothing ON donation")
    op.execute("DROP TRIGGER moved_by_the_ledger_alone ON donation")
    for table in ("healing", "under_matched", "donor_match", "donation_match"):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP INDEX ix_donation_open_client")
    op.execute("DROP TRIGGER move ON ledger_entry")
    for function in ("move_balances()", "move_match(ledger_entry)", "must(boolean, text, text)", "fund_is_open(fund, timestamptz)"):
        op.execute(f"DROP FUNCTION {function}")
    op.execute("ALTER FUNCTION retired_move_balances() RENAME TO move_balances")
    op.execute("CREATE TRIGGER move AFTER INSERT ON ledger_entry FOR EACH ROW EXECUTE FUNCTION move_balances()")
    op.execute("ALTER TABLE donation DROP COLUMN client_key, DROP COLUMN net_cents, DROP COLUMN match_limit, DROP COLUMN cancelled_at")
