-- A payment of a funder that was reversed gets no receipt.
CREATE OR REPLACE FUNCTION refuse_receipt_of_reversed_payment() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM require(NOT EXISTS (SELECT FROM funder_payment_reversal v WHERE v.funder_payment_id = NEW.funder_payment_id),
        'receipted_payment_is_not_reversed', 'the receipt of payment ' || NEW.funder_payment_id);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER payment_is_not_reversed AFTER INSERT ON receipt_line
    FOR EACH ROW WHEN (NEW.funder_payment_id IS NOT NULL)
    EXECUTE FUNCTION refuse_receipt_of_reversed_payment();
