-- Contributors of a fund, with their parts of the pledge, are terms: they are frozen from the moment the fund is active. The lead funder is none of
-- them, and the parts leave something of the pledge, which never becomes less, for the lead funder.
CREATE OR REPLACE FUNCTION refuse_contributor_change() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    f fund%ROWTYPE;
BEGIN
    PERFORM require(TG_OP <> 'TRUNCATE', 'contributors_are_frozen', TG_TABLE_NAME);
    FOR f IN SELECT * FROM fund
        WHERE id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.fund_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.fund_id END) ORDER BY id FOR UPDATE LOOP
        PERFORM require(f.activated_at IS NULL, 'contributors_are_frozen', f.slug);
        PERFORM require(NOT EXISTS (SELECT FROM fund_contributor c WHERE c.fund_id = f.id AND c.funder_id = f.funder_id),
            'lead_is_no_contributor', f.slug);
        PERFORM require(
            NOT EXISTS (SELECT FROM fund_contributor c WHERE c.fund_id = f.id)
            OR (SELECT sum(c.pledged_cents) FROM fund_contributor c WHERE c.fund_id = f.id) < f.pledged_cents,
            'lead_has_a_part', f.slug);
    END LOOP;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER contributors_fit_fund AFTER INSERT OR UPDATE OR DELETE ON fund_contributor
    FOR EACH ROW EXECUTE FUNCTION refuse_contributor_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON fund_contributor
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_contributor_change();
