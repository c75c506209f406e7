-- An offline gift joins a deposit, or leaves it, only while that is open: what was taken to the bank stays what its slip says.
CREATE OR REPLACE FUNCTION refuse_deposit_change() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    before bigint;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        before := OLD.deposit_id;
    END IF;
    PERFORM FROM deposit WHERE id IN (before, NEW.deposit_id) ORDER BY id FOR SHARE;
    PERFORM require(NOT EXISTS (SELECT FROM deposit WHERE id IN (before, NEW.deposit_id) AND closed_at IS NOT NULL),
        'deposit_is_open', 'the deposit of donation ' || NEW.donation_id);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER deposit_is_open AFTER INSERT OR UPDATE OF deposit_id ON offline_gift
    FOR EACH ROW EXECUTE FUNCTION refuse_deposit_change();
