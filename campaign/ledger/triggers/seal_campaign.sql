-- A campaign is sealed as an agreed request says, when it is closed, its funds have ended, nothing is held and no gift is under way. What
-- was begun before is in the books, or refused (refuse_after_seal.sql). The ends of its chains are noted.
CREATE OR REPLACE FUNCTION seal_campaign() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    c campaign%ROWTYPE;
    what text;
BEGIN
    PERFORM pg_advisory_xact_lock(72054, NEW.campaign_id::int);
    SELECT * INTO c FROM campaign WHERE id = NEW.campaign_id FOR NO KEY UPDATE;
    PERFORM FROM fund WHERE campaign_id = c.id ORDER BY position FOR UPDATE;
    PERFORM FROM campaign_totals WHERE campaign_id = c.id FOR UPDATE;
    what := 'the seal of ' || c.slug;
    PERFORM require(EXISTS (SELECT FROM seal_request r WHERE r.id = NEW.request_id AND r.campaign_id = c.id AND r.decision = 'agreed'),
        'two_people_seal', what);
    PERFORM require(c.opened_at IS NOT NULL AND c.closed_at IS NOT NULL AND c.hidden_at IS NULL, 'closed_before_seal', what);
    PERFORM require(NOT EXISTS (
        SELECT FROM fund f WHERE f.campaign_id = c.id AND f.activated_at IS NOT NULL
        AND (f.held_cents > 0 OR (f.ended_at IS NULL AND (f.closes_at > now()) IS NOT FALSE))), 'funds_end_before_seal', what);
    PERFORM require(NOT EXISTS (
        SELECT FROM donation d WHERE d.campaign_id = c.id AND d.received_at IS NULL AND d.ended_at IS NULL AND d.quarantined_at IS NULL),
        'gifts_end_before_seal', what);
    NEW.sealed_at := greatest(clock_timestamp(), (SELECT max(e.at) FROM ledger_entry e WHERE e.campaign_id = c.id));
    NEW.heads := (
        SELECT coalesce(jsonb_object_agg(chain, jsonb_build_object('position', position, 'hash', encode(hash, 'hex'))), '{}')
        FROM chain_ends(c.id));
    UPDATE campaign SET sealed_at = NEW.sealed_at WHERE id = c.id;
    UPDATE campaign_totals SET sealed_at = NEW.sealed_at WHERE campaign_id = c.id;
    UPDATE fund SET sealed_at = NEW.sealed_at WHERE campaign_id = c.id;
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION seal_campaign FROM PUBLIC;

CREATE OR REPLACE TRIGGER seals BEFORE INSERT ON campaign_seal FOR EACH ROW EXECUTE FUNCTION seal_campaign();
