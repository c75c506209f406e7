-- Whether the fund matched one of these donations at that moment.
CREATE OR REPLACE FUNCTION is_matched_before(donations bigint[], fund bigint, moment timestamptz) RETURNS boolean
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
SELECT EXISTS (
    SELECT FROM ledger_entry e
    WHERE e.donation_id = ANY (donations) AND e.fund_id = fund AND e.kind IN ('match', 'unmatch') AND e.at < moment
    GROUP BY e.donation_id HAVING sum(account_change('matched', e.from_account, e.to_account, e.cents)) > 0)
$$;
