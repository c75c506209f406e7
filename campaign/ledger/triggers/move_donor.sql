-- A donation changes its donor only when the two donors are merged, or separated again. What its donors have donated and funds have matched moves
-- with it, and so does whom funds reached on earlier days.
CREATE OR REPLACE FUNCTION move_donor() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    added bigint;
    removed bigint;
    former bigint[];
    present bigint[];
BEGIN
    PERFORM require(EXISTS (
        SELECT FROM donor_merge m
        WHERE (m.merged_donor_id = OLD.donor_id AND m.primary_donor_id = NEW.donor_id AND m.undone_at IS NULL)
           OR (m.primary_donor_id = OLD.donor_id AND m.merged_donor_id = NEW.donor_id AND m.undone_at IS NOT NULL)),
        'donors_are_merged', NEW.public_id);
    UPDATE donor_match t SET cents = t.cents - m.held_cents - m.matched_cents
    FROM donation_match m JOIN fund f ON f.id = m.fund_id AND f.per_donor_cents IS NOT NULL
    WHERE m.donation_id = NEW.id AND t.fund_id = m.fund_id AND t.donor_id = OLD.donor_id;
    INSERT INTO donor_match AS t (fund_id, donor_id, cents)
    SELECT m.fund_id, NEW.donor_id, m.held_cents + m.matched_cents
    FROM donation_match m JOIN fund f ON f.id = m.fund_id AND f.per_donor_cents IS NOT NULL WHERE m.donation_id = NEW.id
    ON CONFLICT (fund_id, donor_id) DO UPDATE SET cents = t.cents + excluded.cents;
    IF has_given(NEW.id) THEN
        INSERT INTO campaign_donor VALUES (NEW.campaign_id, NEW.donor_id) ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS added = ROW_COUNT;
        DELETE FROM campaign_donor c WHERE c.campaign_id = NEW.campaign_id AND c.donor_id = OLD.donor_id AND NOT EXISTS (
            SELECT FROM donation d WHERE d.donor_id = OLD.donor_id AND d.campaign_id = NEW.campaign_id AND has_given(d.id));
        GET DIAGNOSTICS removed = ROW_COUNT;
        UPDATE campaign_totals SET donors = donors + added - removed WHERE campaign_id = NEW.campaign_id AND added <> removed;
    END IF;
    -- As this gift is matched, it makes its donor one whom the fund reaches: unless another gift of the same donor does already.
    PERFORM pg_advisory_xact_lock_shared(72050, NEW.campaign_id::int);
    former := ARRAY(SELECT id FROM donation WHERE donor_id = OLD.donor_id AND campaign_id = NEW.campaign_id);
    present := ARRAY(SELECT id FROM donation WHERE donor_id = NEW.donor_id AND campaign_id = NEW.campaign_id AND id <> NEW.id);
    UPDATE fund_reach r
    SET donors = r.donors + is_matched_before(former, r.fund_id, c.moment)::int - is_matched_before(present, r.fund_id, c.moment)::int
    FROM (SELECT e.fund_id, e.day, (e.day + 1)::timestamp AT TIME ZONE s.time_zone AS moment
          FROM fund_reach e JOIN donation_match m ON m.fund_id = e.fund_id AND m.donation_id = NEW.id
          JOIN summed_days s ON s.campaign_id = NEW.campaign_id) c
    WHERE r.fund_id = c.fund_id AND r.day = c.day AND is_matched_before(ARRAY[NEW.id], r.fund_id, c.moment);
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION move_donor FROM PUBLIC;

CREATE OR REPLACE TRIGGER move_donor AFTER UPDATE OF donor_id ON donation
    FOR EACH ROW WHEN (OLD.donor_id <> NEW.donor_id)
    EXECUTE FUNCTION move_donor();
