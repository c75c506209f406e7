-- What is called of a fund: its calls without those that were cancelled, less its credit notes.
CREATE OR REPLACE FUNCTION called_of_fund(of_fund bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
BEGIN
    RETURN (SELECT coalesce(sum(CASE c.kind WHEN 'call' THEN c.cents ELSE -c.cents END), 0)::bigint FROM fund_call c
        WHERE c.fund_id = of_fund AND NOT EXISTS (SELECT FROM call_cancellation x WHERE x.call_id = c.id));
END
$$;
