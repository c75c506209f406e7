-- A charity's details are confirmed by somebody: at the moment of a row of charity_confirmation, and no other.
CREATE OR REPLACE FUNCTION refuse_bare_confirmation() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM charity_confirmation WHERE charity_id = NEW.id AND at = NEW.confirmed_at) THEN
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
