-- Whether a donation was paid, and did not turn out to be none: its cheque bounced, or it had been recorded by mistake.
CREATE OR REPLACE FUNCTION has_given(donation_id bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT coalesce(bool_or(e.kind = 'donation') AND NOT bool_or(e.kind = 'offline_reversal'), false)
    FROM ledger_entry e WHERE e.donation_id = has_given.donation_id
$$;
