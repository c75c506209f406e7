-- A funder never pays more than was pledged. A payment that was reversed is not counted.
CREATE OR REPLACE FUNCTION refuse_payment_beyond_pledge() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM FROM fund WHERE id = NEW.fund_id FOR NO KEY UPDATE;
    PERFORM require((SELECT sum(cents) FROM funder_payment p WHERE p.fund_id = NEW.fund_id
                     AND NOT EXISTS (SELECT FROM funder_payment_reversal v WHERE v.funder_payment_id = p.id))
                 <= (SELECT pledged_cents FROM fund WHERE id = NEW.fund_id), 'received_is_pledged', NEW.reference);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER within_pledge AFTER INSERT ON funder_payment FOR EACH ROW EXECUTE FUNCTION refuse_payment_beyond_pledge();
