-- A payment that replaces another is what the agreed request that reversed the other says.
CREATE OR REPLACE FUNCTION refuse_replacement_without_request() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM require(EXISTS (
        SELECT FROM funder_payment_reversal v JOIN funder_payment_request r ON r.id = v.request_id
        JOIN funder_payment p ON p.id = v.funder_payment_id
        WHERE p.id = NEW.replaces_id AND p.fund_id = NEW.fund_id AND p.livemode = NEW.livemode AND r.kind = 'correct' AND r.cents = NEW.cents
          AND r.received_on = NEW.received_on AND r.reference = NEW.reference AND r.requested_by = NEW.recorded_by),
        'replacement_is_agreed', NEW.reference);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER replaced_by_two_people AFTER INSERT ON funder_payment
    FOR EACH ROW WHEN (NEW.replaces_id IS NOT NULL)
    EXECUTE FUNCTION refuse_replacement_without_request();
