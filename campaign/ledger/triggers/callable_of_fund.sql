-- What may be called of a fund in all: what is matched, and once it has ended the whole pledge where what is left is given all the same. Nothing is
-- promised by a draft, whose last day may be over too.
CREATE OR REPLACE FUNCTION callable_of_fund(of_fund bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
BEGIN
    RETURN (SELECT CASE WHEN f.leftover = 'given' AND f.activated_at IS NOT NULL AND (f.ended_at IS NOT NULL OR f.closes_at <= now())
                         THEN f.pledged_cents ELSE f.matched_cents END
            FROM fund f WHERE f.id = of_fund);
END
$$;
