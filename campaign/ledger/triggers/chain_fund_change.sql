-- The changes of a fund are a hash chain of their own (docs/verify.md). The fund is locked first, so that positions have no gap and timestamps
-- never decrease.
CREATE OR REPLACE FUNCTION chain_fund_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    f fund%ROWTYPE;
    last fund_change%ROWTYPE;
BEGIN
    SELECT * INTO f FROM fund WHERE id = NEW.fund_id FOR UPDATE;
    SELECT * INTO last FROM fund_change WHERE fund_id = NEW.fund_id ORDER BY position DESC LIMIT 1;
    NEW.at := greatest(clock_timestamp(), last.at);
    NEW.position := coalesce(last.position, 0) + 1;
    NEW.text := fund_change_text(NEW, f);
    NEW.hash := sha256(coalesce(last.hash, '') || sha256(convert_to(NEW.text, 'UTF8')));
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION chain_fund_change FROM PUBLIC;

CREATE OR REPLACE TRIGGER chain BEFORE INSERT ON fund_change FOR EACH ROW EXECUTE FUNCTION chain_fund_change();
