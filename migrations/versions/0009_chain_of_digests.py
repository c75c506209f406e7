"""The chain runs over digests of entries, so that one donor's line can be proved up to the head without showing the lines of others.

Entries made before are chained anew: what they say is not touched, and this comes before the first launch.
"""

from alembic import op

revision = "0009"
down_revision = "0008"

TEXT_OF = (
    "ledger_entry_text({0}.chain, {0}.position, {0}.kind, {0}.from_account, {0}.to_account, {0}.cents, {0}.reference, {0}.cause, {0}.at)"
)


def upgrade() -> None:
    op.execute("ALTER TABLE ledger_entry ADD COLUMN digest bytea")
    op.execute("ALTER TABLE ledger_entry DISABLE TRIGGER append_only")
    op.execute(f"UPDATE ledger_entry e SET digest = sha256(convert_to({TEXT_OF.format('e')}, 'UTF8'))")
    _chain_anew("previous || e.digest")
    op.execute("ALTER TABLE ledger_entry ENABLE TRIGGER append_only")
    op.execute("ALTER TABLE ledger_entry ALTER COLUMN digest SET NOT NULL")
    op.execute("ALTER FUNCTION chain_ledger_entry() RENAME TO retired_chain_ledger_entry")
    op.execute("DROP TRIGGER chain ON ledger_entry")
    op.execute(f"""
        CREATE FUNCTION chain_ledger_entry() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            last_position bigint;
            last_hash bytea;
        BEGIN
            IF NEW.fund_id IS NOT NULL THEN
                SELECT chain_entries, chain_hash INTO last_position, last_hash
                FROM fund WHERE id = NEW.fund_id AND campaign_id = NEW.campaign_id FOR UPDATE;
                NEW.chain := 'fund:' || NEW.fund_id;
            ELSE
                SELECT chain_entries, chain_hash INTO last_position, last_hash
                FROM campaign_totals WHERE campaign_id = NEW.campaign_id FOR UPDATE;
                NEW.chain := 'campaign:' || NEW.campaign_id;
            END IF;
            IF last_position IS NULL THEN
                RAISE EXCEPTION 'entry % has no fund or campaign to move', NEW.reference USING ERRCODE = 'foreign_key_violation';
            END IF;
            NEW.at := clock_timestamp();  -- Under the lock of the chain, so that what is chained later is later.
            NEW.position := last_position + 1;
            NEW.digest := sha256(convert_to({TEXT_OF.format("NEW")}, 'UTF8'));
            NEW.hash := sha256(last_hash || NEW.digest);
            RETURN NEW;
        END $$
    """)
    op.execute("CREATE TRIGGER chain BEFORE INSERT ON ledger_entry FOR EACH ROW EXECUTE FUNCTION chain_ledger_entry()")


def _chain_anew(link: str) -> None:
    op.execute("ALTER TABLE fund DISABLE TRIGGER moved_by_the_ledger_alone")
    op.execute("ALTER TABLE campaign_totals DISABLE TRIGGER moved_by_the_ledger_alone")
    op.execute(f"""
        DO $$
        DECLARE
            e record;
            previous bytea := '';
            so_far text := '';
        BEGIN
            FOR e IN SELECT * FROM ledger_entry ORDER BY chain, position LOOP
                IF e.chain <> so_far THEN
                    previous := '';
                    so_far := e.chain;
                END IF;
                previous := sha256({link});
                UPDATE ledger_entry SET hash = previous WHERE id = e.id;
            END LOOP;
            UPDATE fund f SET chain_hash = l.hash FROM ledger_entry l WHERE l.chain = 'fund:' || f.id AND l.position = f.chain_entries;
            UPDATE campaign_totals t SET chain_hash = l.hash FROM ledger_entry l
            WHERE l.chain = 'campaign:' || t.campaign_id AND l.position = t.chain_entries;
        END $$
    """)
    op.execute("ALTER TABLE fund ENABLE TRIGGER moved_by_the_ledger_alone")
    op.execute("ALTER TABLE campaign_totals ENABLE TRIGGER moved_by_the_ledger_alone")


def downgrade() -> None:
    op.execute("DROP TRIGGER chain ON ledger_entry")
    op.execute("DROP FUNCTION chain_ledger_entry()")
    op.execute("ALTER FUNCTION retired_chain_ledger_entry() RENAME TO chain_ledger_entry")
    op.execute("CREATE TRIGGER chain BEFORE INSERT ON ledger_entry FOR EACH ROW EXECUTE FUNCTION chain_ledger_entry()")
    op.execute("ALTER TABLE ledger_entry DISABLE TRIGGER append_only")
    _chain_anew(f"previous || convert_to({TEXT_OF.format('e')}, 'UTF8')")
    op.execute("ALTER TABLE ledger_entry ENABLE TRIGGER append_only")
    op.execute("ALTER TABLE ledger_entry DROP COLUMN digest")
