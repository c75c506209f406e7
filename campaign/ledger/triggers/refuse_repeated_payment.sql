-- A reference names one payment of a fund. It may be used again once that payment was reversed.
CREATE OR REPLACE FUNCTION refuse_repeated_payment() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM FROM fund WHERE id = NEW.fund_id FOR NO KEY UPDATE;
    PERFORM require(NOT EXISTS (
        SELECT FROM funder_payment p WHERE p.fund_id = NEW.fund_id AND p.reference = NEW.reference AND p.id <> NEW.id
           AND NOT EXISTS (SELECT FROM funder_payment_reversal v WHERE v.funder_payment_id = p.id)),
        'payment_is_recorded_once', NEW.reference);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER recorded_once AFTER INSERT ON funder_payment FOR EACH ROW EXECUTE FUNCTION refuse_repeated_payment();
