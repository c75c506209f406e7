-- Whether the public must not read the names of the funder and its funds.
CREATE OR REPLACE FUNCTION is_anonymous_funder(funder_id bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT f.is_anonymous FROM funder f WHERE f.id = is_anonymous_funder.funder_id
$$;
