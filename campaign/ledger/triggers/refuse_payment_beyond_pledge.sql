-- A funder never pays more than was pledged. What was reversed or returned is not counted.
CREATE OR REPLACE FUNCTION refuse_payment_beyond_pledge() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM FROM fund WHERE id = NEW.fund_id FOR NO KEY UPDATE;
    PERFORM require(received_of_fund(NEW.fund_id) <= (SELECT pledged_cents FROM fund WHERE id = NEW.fund_id),
        'received_is_pledged', NEW.reference);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER within_pledge AFTER INSERT ON funder_payment FOR EACH ROW EXECUTE FUNCTION refuse_payment_beyond_pledge();
