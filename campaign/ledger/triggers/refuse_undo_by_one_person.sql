-- A return that was recorded wrongly is undone only as an agreed request says, after the receipt that shows less has ended, and within the pledge.
CREATE OR REPLACE FUNCTION refuse_undo_by_one_person() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    payment_id bigint := (SELECT funder_payment_id FROM funder_payment_return WHERE id = NEW.return_id);
    of_fund bigint := (SELECT fund_id FROM funder_payment WHERE id = payment_id);
    what text := 'the return ' || NEW.return_id;
BEGIN
    PERFORM FROM fund WHERE id = of_fund FOR NO KEY UPDATE;
    PERFORM require(EXISTS (
        SELECT FROM funder_payment_request r JOIN funder_payment_return t ON t.request_id = r.undoes_id
        WHERE r.id = NEW.request_id AND r.funder_payment_id = payment_id AND t.id = NEW.return_id AND r.kind = 'undo_return'
          AND r.decision = 'agreed'),
        'two_people_undo_return', what);
    PERFORM require(NOT EXISTS (SELECT FROM receipt_line g WHERE g.funder_payment_id = payment_id AND g.is_current),
        'receipt_ends_before_undo', what);
    PERFORM require(received_of_fund(of_fund) <= (SELECT pledged_cents FROM fund WHERE id = of_fund), 'received_is_pledged', what);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER undone_by_two_people AFTER INSERT ON undone_payment_return
    FOR EACH ROW EXECUTE FUNCTION refuse_undo_by_one_person();
