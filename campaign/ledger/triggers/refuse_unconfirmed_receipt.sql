-- A receipt for real money states the charity's details as somebody confirmed them, and names the confirmation. The check of the books compares
-- it with what was confirmed, by SQL of its own.
CREATE OR REPLACE FUNCTION refuse_unconfirmed_receipt() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    h charity;
    titles text[];
BEGIN
    SELECT * INTO h FROM charity WHERE id = NEW.charity_id;
    SELECT id INTO NEW.confirmation_id FROM charity_confirmation WHERE charity_id = h.id AND at = h.confirmed_at ORDER BY id DESC LIMIT 1;
    PERFORM require(NEW.confirmation_id IS NOT NULL, 'receipt_is_confirmed', 'receipt ' || NEW.serial);
    titles := ARRAY[h.signatory_title_en, h.signatory_title_fr];
    IF NEW.content ->> 'language' = 'fr' THEN
        titles := ARRAY[h.signatory_title_fr, h.signatory_title_en];
    END IF;
    IF NEW.content -> 'is_bilingual' <> 'true' OR titles[1] = titles[2] THEN
        titles := titles[1:1];
    END IF;
    PERFORM require(
        NEW.content @> jsonb_build_object('charity_name', h.legal_name, 'charity_address', h.address,
            'registration_number', replace(h.registration_number, ' ', ''), 'place_of_issue', h.place_of_issue,
            'signatory_name', h.signatory_name, 'signatory_title', array_to_string(titles, ' / '),
            'signature', coalesce(h.signature, ''), 'logo', coalesce(h.logo, ''))
        AND NEW.content -> 'charity_address' = to_jsonb(h.address),
        'receipt_states_confirmed_details', 'receipt ' || NEW.serial);
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER details_are_confirmed BEFORE INSERT ON receipt
    FOR EACH ROW WHEN (NEW.content ->> 'is_test' = 'false') EXECUTE FUNCTION refuse_unconfirmed_receipt();
