-- The terms of a fund are frozen from the moment it is active.
CREATE OR REPLACE FUNCTION refuse_term_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the terms of fund % are frozen since it became active', OLD.slug USING ERRCODE = 'restrict_violation';
END
$$;

CREATE OR REPLACE TRIGGER terms_are_frozen BEFORE UPDATE ON fund
    FOR EACH ROW WHEN (
        OLD.activated_at IS NOT NULL AND (OLD.campaign_id IS DISTINCT FROM NEW.campaign_id
        OR OLD.funder_id IS DISTINCT FROM NEW.funder_id OR OLD.position IS DISTINCT FROM NEW.position
        OR OLD.ratio_numerator IS DISTINCT FROM NEW.ratio_numerator
        OR OLD.ratio_denominator IS DISTINCT FROM NEW.ratio_denominator OR OLD.minimum_cents IS DISTINCT FROM NEW.minimum_cents
        OR OLD.per_donation_cents IS DISTINCT FROM NEW.per_donation_cents
        OR OLD.per_donor_cents IS DISTINCT FROM NEW.per_donor_cents OR OLD.opens_at IS DISTINCT FROM NEW.opens_at
        OR OLD.closes_at IS DISTINCT FROM NEW.closes_at OR OLD.leftover IS DISTINCT FROM NEW.leftover)
    )
    EXECUTE FUNCTION refuse_term_change();
