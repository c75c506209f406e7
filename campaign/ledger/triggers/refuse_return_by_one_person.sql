-- Money of a payment is returned to the funder only as an agreed request says (a CHECK keeps its two people distinct), after the receipt that shows
-- more has ended, and never more than was received.
CREATE OR REPLACE FUNCTION refuse_return_by_one_person() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    what text := 'a return of payment ' || NEW.funder_payment_id;
BEGIN
    PERFORM FROM fund WHERE id = (SELECT fund_id FROM funder_payment p WHERE p.id = NEW.funder_payment_id) FOR NO KEY UPDATE;
    PERFORM require(EXISTS (
        SELECT FROM funder_payment_request r
        WHERE r.id = NEW.request_id AND r.funder_payment_id = NEW.funder_payment_id AND r.kind = 'return' AND r.decision = 'agreed'
          AND r.cents = NEW.cents AND r.returned_on = NEW.returned_on AND r.reference = NEW.reference),
        'two_people_return', what);
    PERFORM require(EXISTS (
        SELECT FROM funder_payment p
        WHERE p.id = NEW.funder_payment_id AND p.received_on <= NEW.returned_on
          AND NOT EXISTS (SELECT FROM funder_payment_reversal v WHERE v.funder_payment_id = p.id)
          AND p.cents >= (SELECT sum(t.cents) FROM funder_payment_return t WHERE t.funder_payment_id = p.id
                          AND NOT EXISTS (SELECT FROM undone_payment_return u WHERE u.return_id = t.id))),
        'returned_was_received', what);
    PERFORM require(NOT EXISTS (SELECT FROM receipt_line g WHERE g.funder_payment_id = NEW.funder_payment_id AND g.is_current),
        'receipt_ends_before_return', what);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER returned_by_two_people AFTER INSERT ON funder_payment_return
    FOR EACH ROW EXECUTE FUNCTION refuse_return_by_one_person();
