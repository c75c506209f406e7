-- What is received from a funder is posted as a payment says, and reversed as its reversal says, each once: the reference names the payment.
-- What is returned of it, and what of that was recorded wrongly, is posted as its own rows say: the reference names the payment and the return.
CREATE OR REPLACE FUNCTION refuse_received_without_payment() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM require(EXISTS (
        SELECT FROM funder_payment p LEFT JOIN funder_payment_reversal v ON v.funder_payment_id = p.id
        WHERE p.fund_id = NEW.fund_id AND p.cents = NEW.cents AND NEW.reference = NEW.kind || ':' || p.id
          AND (NEW.kind = 'receive' OR v.funder_payment_id IS NOT NULL)
        UNION ALL
        SELECT FROM funder_payment_return t JOIN funder_payment p ON p.id = t.funder_payment_id
        LEFT JOIN undone_payment_return u ON u.return_id = t.id
        WHERE p.fund_id = NEW.fund_id AND t.cents = NEW.cents AND NEW.reference = NEW.kind || ':' || p.id || ':' || t.id
          AND (NEW.kind = 'receive_reversal' OR u.return_id IS NOT NULL)),
        'received_is_a_payment', NEW.reference);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER received_by_payment AFTER INSERT ON ledger_entry
    FOR EACH ROW WHEN (NEW.kind IN ('receive', 'receive_reversal'))
    EXECUTE FUNCTION refuse_received_without_payment();
