-- Raises a check violation that carries the name of the broken rule as its constraint.
CREATE OR REPLACE FUNCTION require(is_so boolean, name text, reference text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT is_so THEN
        RAISE EXCEPTION '% is refused: %', reference, name USING ERRCODE = 'check_violation', CONSTRAINT = name;
    END IF;
END
$$;
