-- The details of a charity that a confirmation is of, by their names in rules/charity_details.py.
CREATE OR REPLACE FUNCTION details_of_charity(h charity) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
SELECT jsonb_build_object(
    'legal_name', h.legal_name, 'name_en', h.name_en, 'name_fr', h.name_fr, 'address', h.address, 'registration_number', h.registration_number,
    'place_of_issue', h.place_of_issue, 'signatory_name', h.signatory_name, 'signatory_title_en', h.signatory_title_en,
    'signatory_title_fr', h.signatory_title_fr, 'signature', coalesce(h.signature, ''), 'logo', coalesce(h.logo, ''))
$$;
