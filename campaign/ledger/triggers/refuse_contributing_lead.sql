-- Of a draft, whose funder may change, no contributor becomes the lead funder.
CREATE OR REPLACE FUNCTION refuse_contributing_lead() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM require(NOT EXISTS (SELECT FROM fund_contributor c WHERE c.fund_id = NEW.id AND c.funder_id = NEW.funder_id),
        'lead_is_no_contributor', NEW.slug);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER lead_is_no_contributor AFTER UPDATE OF funder_id ON fund
    FOR EACH ROW EXECUTE FUNCTION refuse_contributing_lead();
