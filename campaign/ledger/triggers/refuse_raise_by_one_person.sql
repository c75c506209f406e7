-- The pledge of a fund that was activated is raised only as an agreed request says, by the person who agreed; that of a draft without a request.
-- The fund is locked by the trigger `chain`, so that nobody activates it meanwhile.
CREATE OR REPLACE FUNCTION refuse_raise_by_one_person() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    f fund%ROWTYPE;
BEGIN
    SELECT * INTO f FROM fund WHERE id = NEW.fund_id;
    PERFORM require(NOT NEW.predates_requests AND CASE
        WHEN f.activated_at IS NULL THEN NEW.pledge_request_id IS NULL
        ELSE EXISTS (SELECT FROM pledge_request r WHERE r.id = NEW.pledge_request_id AND r.fund_id = NEW.fund_id AND r.cents = NEW.cents
                     AND r.decision = 'agreed' AND r.decided_by = NEW.actor AND r.reason = NEW.reason) END,
        'two_people_raise', 'the raised pledge of fund ' || f.slug);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER raised_by_two_people AFTER INSERT ON fund_change
    FOR EACH ROW WHEN (NEW.kind = 'pledged')
    EXECUTE FUNCTION refuse_raise_by_one_person();
