-- Only the triggers on ledger entries and fund changes move balances: pg_trigger_depth() is 0 for a statement of an application.
CREATE OR REPLACE FUNCTION refuse_direct_balance_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'balances of % are moved by ledger entries only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE OR REPLACE TRIGGER moved_by_ledger_only BEFORE DELETE OR UPDATE ON campaign_totals
    FOR EACH ROW WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION refuse_direct_balance_change();
CREATE OR REPLACE TRIGGER starts_at_zero BEFORE INSERT ON campaign_totals
    FOR EACH ROW WHEN (
        NEW.donated_cents <> 0 OR NEW.covered_fee_cents <> 0 OR NEW.fee_cents <> 0 OR NEW.donations <> 0 OR NEW.donors <> 0
        OR NEW.chain_entries <> 0
    )
    EXECUTE FUNCTION refuse_direct_balance_change();
CREATE OR REPLACE TRIGGER moved_by_ledger_only BEFORE UPDATE ON donation
    FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND OLD.net_cents <> NEW.net_cents)
    EXECUTE FUNCTION refuse_direct_balance_change();
CREATE OR REPLACE TRIGGER starts_at_zero BEFORE INSERT ON donation
    FOR EACH ROW WHEN (NEW.net_cents <> 0)
    EXECUTE FUNCTION refuse_direct_balance_change();
CREATE OR REPLACE TRIGGER moved_by_ledger_only BEFORE INSERT OR DELETE OR UPDATE ON donation_match
    FOR EACH ROW WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION refuse_direct_balance_change();
CREATE OR REPLACE TRIGGER moved_by_ledger_only BEFORE INSERT OR DELETE OR UPDATE ON donor_match
    FOR EACH ROW WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION refuse_direct_balance_change();
CREATE OR REPLACE TRIGGER changed_by_fund_change_only BEFORE UPDATE ON fund
    FOR EACH ROW WHEN (
        pg_trigger_depth() = 0 AND (OLD.activated_at IS DISTINCT FROM NEW.activated_at
        OR OLD.paused_at IS DISTINCT FROM NEW.paused_at OR OLD.ended_at IS DISTINCT FROM NEW.ended_at)
    )
    EXECUTE FUNCTION refuse_direct_balance_change();
CREATE OR REPLACE TRIGGER moved_by_ledger_only BEFORE UPDATE ON fund
    FOR EACH ROW WHEN (
        pg_trigger_depth() = 0 AND (OLD.pledged_cents <> NEW.pledged_cents OR OLD.held_cents <> NEW.held_cents
        OR OLD.matched_cents <> NEW.matched_cents OR OLD.chain_entries <> NEW.chain_entries OR OLD.chain_hash <> NEW.chain_hash)
    )
    EXECUTE FUNCTION refuse_direct_balance_change();
CREATE OR REPLACE TRIGGER starts_as_draft BEFORE INSERT ON fund
    FOR EACH ROW WHEN (NEW.activated_at IS NOT NULL OR NEW.paused_at IS NOT NULL OR NEW.ended_at IS NOT NULL OR NEW.sealed_at IS NOT NULL)
    EXECUTE FUNCTION refuse_direct_balance_change();
CREATE OR REPLACE TRIGGER starts_at_zero BEFORE INSERT ON fund
    FOR EACH ROW WHEN (NEW.pledged_cents <> 0 OR NEW.held_cents <> 0 OR NEW.matched_cents <> 0 OR NEW.chain_entries <> 0)
    EXECUTE FUNCTION refuse_direct_balance_change();
-- Only a row of campaign_seal seals: pg_trigger_depth() is 0 for a statement of an application.
CREATE OR REPLACE TRIGGER sealed_by_seal_only BEFORE UPDATE ON campaign
    FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND OLD.sealed_at IS DISTINCT FROM NEW.sealed_at) EXECUTE FUNCTION refuse_direct_balance_change();
CREATE OR REPLACE TRIGGER sealed_by_seal_only BEFORE UPDATE ON fund
    FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND OLD.sealed_at IS DISTINCT FROM NEW.sealed_at) EXECUTE FUNCTION refuse_direct_balance_change();
CREATE OR REPLACE TRIGGER starts_unsealed BEFORE INSERT ON campaign
    FOR EACH ROW WHEN (NEW.sealed_at IS NOT NULL) EXECUTE FUNCTION refuse_direct_balance_change();
