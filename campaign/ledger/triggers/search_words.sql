-- The words by which people find a donation: those of its names without accents and case, ligatures as two letters, and its email as one word.
-- It is indexed (ix_donation_search_words): after a change of this function the index has to be built again. It calls nothing of ours, because
-- indexes are built and restored without our search path.
CREATE OR REPLACE FUNCTION search_words(names text, email text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT array_to_tsvector(array_remove(
    string_to_array(regexp_replace(replace(replace(replace(replace(replace(
        lower(regexp_replace(normalize(names, NFKD), '[\u0300-\u036f]', '', 'g')), 'œ', 'oe'), 'æ', 'ae'), 'ø', 'o'), 'ł', 'l'), 'ß', 'ss'),
        '[^[:alnum:]]+', ' ', 'g'), ' ')
    || left(lower(regexp_replace(normalize(email, NFKD), '[\u0300-\u036f]', '', 'g')), 255), ''))
$$;
