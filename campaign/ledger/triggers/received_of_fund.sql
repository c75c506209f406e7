-- What was received for a fund: its payments without those that were reversed, less what was returned to the funder.
CREATE OR REPLACE FUNCTION received_of_fund(of_fund bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
BEGIN
    RETURN (SELECT coalesce(sum(p.cents - coalesce(t.cents, 0)), 0)::bigint FROM funder_payment p
        LEFT JOIN LATERAL (
            SELECT sum(r.cents) AS cents FROM funder_payment_return r
            WHERE r.funder_payment_id = p.id AND NOT EXISTS (SELECT FROM undone_payment_return u WHERE u.return_id = r.id)) t ON true
        WHERE p.fund_id = of_fund AND NOT EXISTS (SELECT FROM funder_payment_reversal v WHERE v.funder_payment_id = p.id));
END
$$;
