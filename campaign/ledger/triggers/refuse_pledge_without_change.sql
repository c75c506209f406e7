-- A pledge is posted as a change of the fund says, once, as its reference is that of the change. A change of a draft is posted before the
-- fund is activated: afterwards it would raise the pledge of an active fund by one person.
CREATE OR REPLACE FUNCTION refuse_pledge_without_change() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM require(EXISTS (
        SELECT FROM fund_change c JOIN fund f ON f.id = c.fund_id
        WHERE c.fund_id = NEW.fund_id AND c.kind = 'pledged' AND c.cents = NEW.cents AND NEW.cause = 'change:' || c.id
          AND NEW.reference = 'pledge:' || f.slug || ':' || c.id AND (c.pledge_request_id IS NOT NULL OR f.activated_at IS NULL)),
        'pledge_is_a_change', NEW.reference);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER pledged_by_change AFTER INSERT ON ledger_entry
    FOR EACH ROW WHEN (NEW.kind = 'pledge')
    EXECUTE FUNCTION refuse_pledge_without_change();
