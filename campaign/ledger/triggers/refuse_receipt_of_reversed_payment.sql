-- A receipt for a payment of a funder shows what is left of it. A payment that was reversed gets none.
CREATE OR REPLACE FUNCTION refuse_receipt_of_reversed_payment() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM require(NOT EXISTS (SELECT FROM funder_payment_reversal v WHERE v.funder_payment_id = NEW.funder_payment_id),
        'receipted_payment_is_not_reversed', 'the receipt of payment ' || NEW.funder_payment_id);
    PERFORM require(NEW.cents = (
        SELECT p.cents - coalesce((SELECT sum(t.cents) FROM funder_payment_return t WHERE t.funder_payment_id = p.id
                                   AND NOT EXISTS (SELECT FROM undone_payment_return u WHERE u.return_id = t.id)), 0)
        FROM funder_payment p WHERE p.id = NEW.funder_payment_id),
        'receipted_is_retained', 'the receipt of payment ' || NEW.funder_payment_id);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER payment_is_not_reversed AFTER INSERT ON receipt_line
    FOR EACH ROW WHEN (NEW.funder_payment_id IS NOT NULL)
    EXECUTE FUNCTION refuse_receipt_of_reversed_payment();
