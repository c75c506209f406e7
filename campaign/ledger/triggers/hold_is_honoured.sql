-- Whether a hold of the fund may become match for a payment made at this moment: a checkout that was begun within the window may be finished
-- while its hold lives. Ten minutes are for the difference between Stripe's clock and ours. The same rule is in rules/allocation.py and,
-- independently, in the integrity check.
CREATE OR REPLACE FUNCTION hold_is_honoured(f fund, moment timestamptz, held_until timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
SELECT (f.opens_at IS NULL OR f.opens_at - interval '10 minutes' <= moment)
   AND (f.closes_at IS NULL OR moment < f.closes_at OR held_until IS NULL OR moment <= held_until + interval '10 minutes')
   AND (f.ended_at IS NULL OR moment < f.ended_at OR held_until IS NULL OR moment <= held_until + interval '10 minutes')
$$;
