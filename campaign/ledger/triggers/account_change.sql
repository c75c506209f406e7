-- The signed change of one account by an entry: added to its target, taken from its source.
CREATE OR REPLACE FUNCTION account_change(account text, source text, target text, cents bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
SELECT CASE account WHEN target THEN cents WHEN source THEN -cents ELSE 0 END
$$;
