-- A charity's details are confirmed by somebody: in the transaction of a row of charity_confirmation that is of these details, and in no other.
-- So the moment of an earlier confirmation, which a change of a detail has ended, is not in force again.
CREATE OR REPLACE FUNCTION refuse_bare_confirmation() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.confirmed_at <> now() OR NOT EXISTS (
        SELECT FROM charity_confirmation WHERE charity_id = NEW.id AND at = NEW.confirmed_at AND details = details_of_charity(NEW)
    ) THEN
        RAISE EXCEPTION 'nobody confirmed the details of charity % at %', NEW.id, NEW.confirmed_at USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER confirmed_by_somebody BEFORE INSERT ON charity
    FOR EACH ROW WHEN (NEW.confirmed_at IS NOT NULL) EXECUTE FUNCTION refuse_bare_confirmation();
CREATE OR REPLACE TRIGGER confirmed_later BEFORE UPDATE ON charity
    FOR EACH ROW WHEN (NEW.confirmed_at IS NOT NULL AND NEW.confirmed_at IS DISTINCT FROM OLD.confirmed_at)
    EXECUTE FUNCTION refuse_bare_confirmation();
