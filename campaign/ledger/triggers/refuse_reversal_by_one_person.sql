-- A payment of a funder is reversed only as an agreed request says (a CHECK keeps its two people distinct), after its receipt has ended and while
-- nothing of it is returned.
CREATE OR REPLACE FUNCTION refuse_reversal_by_one_person() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM require(EXISTS (
        SELECT FROM funder_payment_request r
        WHERE r.id = NEW.request_id AND r.funder_payment_id = NEW.funder_payment_id AND r.decision = 'agreed'
          AND r.kind IN ('correct', 'reverse')),
        'two_people_reverse', 'the reversal of payment ' || NEW.funder_payment_id);
    PERFORM require(NOT EXISTS (SELECT FROM receipt_line g WHERE g.funder_payment_id = NEW.funder_payment_id AND g.is_current),
        'receipt_ends_before_reversal', 'the reversal of payment ' || NEW.funder_payment_id);
    PERFORM require(NOT EXISTS (
        SELECT FROM funder_payment_return t WHERE t.funder_payment_id = NEW.funder_payment_id
        AND NOT EXISTS (SELECT FROM undone_payment_return u WHERE u.return_id = t.id)),
        'returned_is_not_reversed', 'the reversal of payment ' || NEW.funder_payment_id);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER reversed_by_two_people AFTER INSERT ON funder_payment_reversal
    FOR EACH ROW EXECUTE FUNCTION refuse_reversal_by_one_person();
