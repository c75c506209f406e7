-- A printed detail of a charity that has changed must be confirmed again, whoever changes it.
CREATE OR REPLACE FUNCTION clear_confirmation() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.confirmed_at := NULL;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER changed_detail_is_unconfirmed BEFORE UPDATE ON charity
    FOR EACH ROW WHEN (
        OLD.legal_name IS DISTINCT FROM NEW.legal_name OR OLD.name_en IS DISTINCT FROM NEW.name_en
        OR OLD.name_fr IS DISTINCT FROM NEW.name_fr OR OLD.address IS DISTINCT FROM NEW.address
        OR OLD.registration_number IS DISTINCT FROM NEW.registration_number
        OR OLD.place_of_issue IS DISTINCT FROM NEW.place_of_issue OR OLD.signatory_name IS DISTINCT FROM NEW.signatory_name
        OR OLD.signatory_title_en IS DISTINCT FROM NEW.signatory_title_en
        OR OLD.signatory_title_fr IS DISTINCT FROM NEW.signatory_title_fr OR OLD.signature IS DISTINCT FROM NEW.signature
        OR OLD.logo IS DISTINCT FROM NEW.logo
    )
    EXECUTE FUNCTION clear_confirmation();
