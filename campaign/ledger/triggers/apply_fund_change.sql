-- A fund is activated, paused, resumed and ended only by inserting a fund_change.
CREATE OR REPLACE FUNCTION apply_fund_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    f fund%ROWTYPE;
BEGIN
    SELECT * INTO f FROM fund WHERE id = NEW.fund_id FOR UPDATE;
    IF (NEW.kind = 'activated' AND f.activated_at IS NOT NULL) OR (NEW.kind <> 'activated' AND NEW.kind <> 'pledged' AND f.activated_at IS NULL)
        OR (NEW.kind = 'paused' AND f.paused_at IS NOT NULL) OR (NEW.kind = 'resumed' AND f.paused_at IS NULL)
        OR (NEW.kind <> 'resumed' AND NEW.kind <> 'paused' AND f.ended_at IS NOT NULL) THEN
        RAISE EXCEPTION 'fund % cannot be % now', f.slug, NEW.kind USING ERRCODE = 'check_violation', CONSTRAINT = 'change_is_possible';
    END IF;
    UPDATE fund SET
        activated_at = CASE WHEN NEW.kind = 'activated' THEN NEW.at ELSE activated_at END,
        paused_at = CASE NEW.kind WHEN 'paused' THEN NEW.at WHEN 'resumed' THEN NULL ELSE paused_at END,
        ended_at = CASE WHEN NEW.kind = 'ended' THEN NEW.at ELSE ended_at END
    WHERE id = NEW.fund_id;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION apply_fund_change FROM PUBLIC;

CREATE OR REPLACE TRIGGER applies_change AFTER INSERT ON fund_change FOR EACH ROW EXECUTE FUNCTION apply_fund_change();
