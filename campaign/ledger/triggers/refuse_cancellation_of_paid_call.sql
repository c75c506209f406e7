-- A call is cancelled only while nothing of it is settled. What was received and credited settles the oldest calls of the fund first.
CREATE OR REPLACE FUNCTION refuse_cancellation_of_paid_call() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    c fund_call%ROWTYPE;
BEGIN
    SELECT * INTO c FROM fund_call WHERE id = NEW.call_id;
    PERFORM FROM fund WHERE id = c.fund_id FOR NO KEY UPDATE;
    PERFORM require(c.kind = 'call', 'cancelled_is_a_call', 'the cancellation of ' || c.number);
    PERFORM require(
        received_of_fund(c.fund_id) + (SELECT coalesce(sum(n.cents), 0) FROM fund_call n WHERE n.fund_id = c.fund_id AND n.kind = 'credit_note')
        <= (SELECT coalesce(sum(o.cents), 0) FROM fund_call o WHERE o.fund_id = c.fund_id AND o.kind = 'call' AND o.number < c.number
            AND NOT EXISTS (SELECT FROM call_cancellation x WHERE x.call_id = o.id)),
        'cancelled_is_unpaid', 'the cancellation of ' || c.number);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER nothing_is_paid AFTER INSERT ON call_cancellation
    FOR EACH ROW EXECUTE FUNCTION refuse_cancellation_of_paid_call();
