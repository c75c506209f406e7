-- Whether the fund may match a payment made at this moment: the window includes its start and excludes its end; an early end closes it.
-- The same rule is in rules/allocation.py and, independently, in the integrity check.
CREATE OR REPLACE FUNCTION fund_is_open(f fund, moment timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
SELECT (f.opens_at IS NULL OR f.opens_at <= moment) AND (f.closes_at IS NULL OR moment < f.closes_at)
   AND (f.ended_at IS NULL OR moment < f.ended_at)
$$;
