-- The text of a change of a fund: what changed and when, and the terms in force, separated by bars. Who changed it and why, and
-- the request of a raised pledge if it has one, are covered by their SHA-256 alone, as a statement does not name members of staff.
CREATE OR REPLACE FUNCTION fund_change_text(c fund_change, f fund) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
RETURN (SELECT concat_ws('|', 'changes:' || c.fund_id, c.position, c.kind, coalesce(c.cents::text, ''),
                 encode(sha256(convert_to(concat_ws(chr(31), c.actor, c.reason, c.pledge_request_id), 'UTF8')), 'hex'),
                 to_char(c.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), f.slug, p.slug, p.currency,
                 f.ratio_numerator || '/' || f.ratio_denominator, f.minimum_cents, coalesce(f.per_donation_cents::text, ''),
                 coalesce(f.per_donor_cents::text, ''), coalesce(to_char(f.opens_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), ''),
                 coalesce(to_char(f.closes_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), ''))
FROM campaign p WHERE p.id = f.campaign_id);
END
$$;
