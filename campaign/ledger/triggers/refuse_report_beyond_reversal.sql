-- Information returns report no cent of a reversal twice, and take none back that they have not reported: whatever names a reversal, the first
-- receipt that leaves it out included, adds up to what of it is in effect at most.
CREATE OR REPLACE FUNCTION refuse_report_beyond_reversal() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    in_effect bigint;
    named bigint;
    by_return bigint;
BEGIN
    SELECT posted_cents INTO in_effect FROM reversal WHERE id = NEW.reversal_id FOR NO KEY UPDATE;
    SELECT sum(cents), sum(cents) FILTER (WHERE information_return_id IS NOT DISTINCT FROM NEW.information_return_id)
    INTO named, by_return FROM reported_reversal WHERE reversal_id = NEW.reversal_id;
    PERFORM require(NEW.cents < 0 OR named <= in_effect, 'reported_once', 'a report of reversal ' || NEW.reversal_id);
    PERFORM require(by_return >= 0, 'reported_before_taken_back', 'a report of reversal ' || NEW.reversal_id);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER reported_within_reversal AFTER INSERT ON reported_reversal
    FOR EACH ROW EXECUTE FUNCTION refuse_report_beyond_reversal();
