-- People have the address of a campaign that was public; its gifts and receipts are of its charity, in its currency.
CREATE OR REPLACE FUNCTION refuse_public_campaign_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the campaign % was public: its slug, charity, currency and opening stay', OLD.slug USING ERRCODE = 'restrict_violation';
END
$$;

CREATE OR REPLACE TRIGGER public_campaign_stays BEFORE UPDATE ON campaign
    FOR EACH ROW WHEN (
        OLD.opened_at IS NOT NULL AND (OLD.slug IS DISTINCT FROM NEW.slug OR OLD.charity_id IS DISTINCT FROM NEW.charity_id
        OR OLD.currency IS DISTINCT FROM NEW.currency OR OLD.opened_at IS DISTINCT FROM NEW.opened_at)
    )
    EXECUTE FUNCTION refuse_public_campaign_change();
