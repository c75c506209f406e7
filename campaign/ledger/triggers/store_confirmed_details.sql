-- A confirmation is of the charity's details as they are, of which samples were opened in both languages: the details are stored with it, and
-- its fingerprint is theirs (rules/charity_details.py).
CREATE OR REPLACE FUNCTION store_confirmed_details() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    h charity;
BEGIN
    SELECT * INTO h FROM charity WHERE id = NEW.charity_id;
    NEW.details := details_of_charity(h);
    -- NULL, of a charity without a logo, is left out.
    PERFORM require(NEW.fingerprint = left(encode(sha256(convert_to(array_to_string(ARRAY[
            h.legal_name, h.name_en, h.name_fr, array_to_string(h.address, E'\n'), h.registration_number, h.place_of_issue, h.signatory_name,
            h.signatory_title_en, h.signatory_title_fr, coalesce(h.signature, ''), h.logo], chr(31)), 'UTF8')), 'hex'), 12),
        'confirmation_is_of_details', 'the confirmation of charity ' || NEW.charity_id);
    PERFORM require((SELECT count(DISTINCT language) = 2 FROM opened_sample
                     WHERE charity_id = h.id AND opened_by = NEW.opened_by AND fingerprint = NEW.fingerprint),
        'confirmed_samples_were_opened', 'the confirmation of charity ' || NEW.charity_id);
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER details_are_stored BEFORE INSERT ON charity_confirmation
    FOR EACH ROW EXECUTE FUNCTION store_confirmed_details();
