-- Nothing of a sealed campaign moves. Every entry and change moves the row of its fund or of the campaign's totals, which stay. Of the campaign
-- itself, its texts and pictures may still be corrected.
CREATE OR REPLACE FUNCTION refuse_change_of_sealed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the campaign is sealed: % stays', TG_TABLE_NAME USING ERRCODE = 'restrict_violation', CONSTRAINT = 'campaign_is_sealed';
END
$$;

CREATE OR REPLACE TRIGGER sealed_stays BEFORE DELETE OR UPDATE ON campaign_totals
    FOR EACH ROW WHEN (OLD.sealed_at IS NOT NULL) EXECUTE FUNCTION refuse_change_of_sealed();
CREATE OR REPLACE TRIGGER sealed_stays BEFORE DELETE OR UPDATE ON fund
    FOR EACH ROW WHEN (OLD.sealed_at IS NOT NULL) EXECUTE FUNCTION refuse_change_of_sealed();
CREATE OR REPLACE TRIGGER sealed_stays BEFORE UPDATE ON campaign
    FOR EACH ROW WHEN (
        OLD.sealed_at IS NOT NULL AND (OLD.sealed_at IS DISTINCT FROM NEW.sealed_at OR OLD.closed_at IS DISTINCT FROM NEW.closed_at
        OR OLD.hidden_at IS DISTINCT FROM NEW.hidden_at OR OLD.goal_cents <> NEW.goal_cents OR OLD.match_counts <> NEW.match_counts)
    )
    EXECUTE FUNCTION refuse_change_of_sealed();
