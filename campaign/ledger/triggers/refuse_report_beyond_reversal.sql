-- Information returns report no cent of a reversal twice, and take none back that they have not reported: whatever names a reversal, the first
-- receipt that leaves it out included, adds up to what of it is in effect at most. A return of a funder's money is in effect until it is undone, a refund of an offline gift for good.
CREATE OR REPLACE FUNCTION refuse_report_beyond_reversal() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    in_effect bigint;
    named bigint;
    by_return bigint;
    what text := 'a report of ' || coalesce('reversal ' || NEW.reversal_id, 'return ' || NEW.funder_payment_return_id, 'refund ' || NEW.offline_reversal_id);
BEGIN
    IF NEW.reversal_id IS NOT NULL THEN
        SELECT posted_cents INTO in_effect FROM reversal WHERE id = NEW.reversal_id FOR NO KEY UPDATE;
    ELSIF NEW.offline_reversal_id IS NOT NULL THEN
        PERFORM FROM donation WHERE id = (SELECT r.donation_id FROM offline_reversal r WHERE r.id = NEW.offline_reversal_id) FOR NO KEY UPDATE;
        SELECT cents INTO in_effect FROM offline_reversal r WHERE r.id = NEW.offline_reversal_id AND r.kind = 'refunded' AND r.reversed_on = NEW.returned_on;
        PERFORM require(in_effect IS NOT NULL, 'reported_on_its_day', what);
    ELSE
        PERFORM FROM fund WHERE id = (
            SELECT p.fund_id FROM funder_payment_return t JOIN funder_payment p ON p.id = t.funder_payment_id
            WHERE t.id = NEW.funder_payment_return_id) FOR NO KEY UPDATE;
        SELECT CASE WHEN u.return_id IS NULL THEN t.cents ELSE 0 END INTO in_effect
        FROM funder_payment_return t LEFT JOIN undone_payment_return u ON u.return_id = t.id
        WHERE t.id = NEW.funder_payment_return_id AND t.returned_on = NEW.returned_on;
        PERFORM require(in_effect IS NOT NULL, 'reported_on_its_day', what);
    END IF;
    SELECT sum(cents), sum(cents) FILTER (WHERE information_return_id IS NOT DISTINCT FROM NEW.information_return_id)
    INTO named, by_return FROM reported_reversal
    WHERE reversal_id = NEW.reversal_id OR funder_payment_return_id = NEW.funder_payment_return_id
        OR offline_reversal_id = NEW.offline_reversal_id;
    PERFORM require(NEW.cents < 0 OR named <= in_effect, 'reported_once', what);
    PERFORM require(by_return >= 0, 'reported_before_taken_back', what);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER reported_within_reversal AFTER INSERT ON reported_reversal
    FOR EACH ROW EXECUTE FUNCTION refuse_report_beyond_reversal();
