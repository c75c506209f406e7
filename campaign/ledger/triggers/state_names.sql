-- Names that a statement states are stored with each change, so that a statement of an earlier moment states those of then. The arguments are the
-- columns. Only this function adds rows (reporting/statements/names.py).
CREATE OR REPLACE FUNCTION state_names() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    new_facts jsonb;
    last_facts jsonb;
    last_at timestamptz;
BEGIN
    SELECT jsonb_object_agg(key, value) INTO new_facts FROM jsonb_each(to_jsonb(NEW)) WHERE key = ANY (TG_ARGV);
    SELECT facts, at INTO last_facts, last_at FROM stated_name
        WHERE subject = TG_TABLE_NAME AND subject_id = NEW.id ORDER BY id DESC LIMIT 1;
    IF new_facts IS DISTINCT FROM last_facts THEN
        -- Moments never decrease, even if the clock is set back.
        INSERT INTO stated_name (subject, subject_id, facts, at) VALUES (TG_TABLE_NAME, NEW.id, new_facts, greatest(clock_timestamp(), last_at));
    END IF;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION state_names FROM PUBLIC;

CREATE OR REPLACE TRIGGER names_are_stated
    AFTER INSERT OR UPDATE OF legal_name, name_en, name_fr, address, registration_number, logo, time_zone ON charity
    FOR EACH ROW EXECUTE FUNCTION state_names('legal_name', 'name_en', 'name_fr', 'address', 'registration_number', 'logo', 'time_zone');
CREATE OR REPLACE TRIGGER names_are_stated AFTER INSERT OR UPDATE OF slug, title_en, title_fr, currency ON campaign
    FOR EACH ROW EXECUTE FUNCTION state_names('slug', 'title_en', 'title_fr', 'currency');
CREATE OR REPLACE TRIGGER names_are_stated AFTER INSERT OR UPDATE OF slug, name_en, name_fr ON fund
    FOR EACH ROW EXECUTE FUNCTION state_names('slug', 'name_en', 'name_fr');
CREATE OR REPLACE TRIGGER names_are_stated AFTER INSERT OR UPDATE OF name_en, name_fr ON funder
    FOR EACH ROW EXECUTE FUNCTION state_names('name_en', 'name_fr');
