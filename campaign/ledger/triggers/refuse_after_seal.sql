-- A sealed campaign gets no gift, no fund and no file of gifts. What is begun at the same time is before the seal, which then finds it, or is
-- refused: both take an advisory lock, as a lock on the row of the campaign would be in the way of those who match its gifts.
CREATE OR REPLACE FUNCTION refuse_after_seal() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    sealed timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(72054, NEW.campaign_id::int);
    SELECT sealed_at INTO sealed FROM campaign WHERE id = NEW.campaign_id;
    IF sealed IS NOT NULL THEN
        RAISE EXCEPTION 'the campaign is sealed: it gets no %', TG_TABLE_NAME USING ERRCODE = 'restrict_violation', CONSTRAINT = 'campaign_is_sealed';
    END IF;
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION refuse_after_seal FROM PUBLIC;

CREATE OR REPLACE TRIGGER not_after_seal BEFORE INSERT ON donation FOR EACH ROW EXECUTE FUNCTION refuse_after_seal();
CREATE OR REPLACE TRIGGER not_after_seal BEFORE INSERT ON fund FOR EACH ROW EXECUTE FUNCTION refuse_after_seal();
CREATE OR REPLACE TRIGGER not_after_seal BEFORE INSERT ON gift_import FOR EACH ROW EXECUTE FUNCTION refuse_after_seal();
