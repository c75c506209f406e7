-- The hash of an entry covers the hash of the entry before it in its chain (docs/verify.md). The fund or campaign of the chain is locked
-- first, so that positions have no gap and timestamps never decrease.
CREATE OR REPLACE FUNCTION chain_ledger_entry() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    last_position bigint;
    last_hash bytea;
    last_at timestamptz;
    donation text;
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
    SELECT position, hash, at INTO last_position, last_hash, last_at FROM ledger_entry WHERE chain = NEW.chain ORDER BY position DESC LIMIT 1;
    NEW.at := greatest(clock_timestamp(), last_at);  -- Timestamps never decrease along the chain, even if the clock is set back.
    NEW.position := coalesce(last_position, 0) + 1;
    IF NEW.donation_id IS NOT NULL THEN
        SELECT d.public_id INTO donation FROM donation d WHERE d.id = NEW.donation_id;
    END IF;
    NEW.digest := sha256(convert_to(ledger_entry_text(NEW.chain, NEW.position, NEW.kind, NEW.from_account, NEW.to_account, NEW.cents, donation, NEW.reference, NEW.cause, NEW.at), 'UTF8'));
    NEW.hash := sha256(coalesce(last_hash, '') || NEW.digest);
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION chain_ledger_entry FROM PUBLIC;

CREATE OR REPLACE TRIGGER chain BEFORE INSERT ON ledger_entry FOR EACH ROW EXECUTE FUNCTION chain_ledger_entry();
