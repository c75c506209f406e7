-- A call never makes more called of a fund than may be called of it at that moment. A credit note is of what was called and is matched no longer, once
-- the fund has ended: before that, the next call is less.
CREATE OR REPLACE FUNCTION refuse_call_beyond_earned() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    what text := NEW.kind || ' ' || NEW.number;
BEGIN
    PERFORM FROM fund WHERE id = NEW.fund_id FOR NO KEY UPDATE;
    PERFORM require(NEW.charity_id = (SELECT p.charity_id FROM fund f JOIN campaign p ON p.id = f.campaign_id WHERE f.id = NEW.fund_id),
        'call_is_of_the_charity', what);
    IF NEW.kind = 'call' THEN
        PERFORM require(called_of_fund(NEW.fund_id) <= callable_of_fund(NEW.fund_id), 'called_is_earned', what);
    ELSE
        PERFORM require(called_of_fund(NEW.fund_id) >= callable_of_fund(NEW.fund_id), 'credited_is_not_earned', what);
        PERFORM require((SELECT f.ended_at IS NOT NULL OR f.closes_at <= now() FROM fund f WHERE f.id = NEW.fund_id),
            'credited_after_the_end', what);
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER within_earned AFTER INSERT ON fund_call FOR EACH ROW EXECUTE FUNCTION refuse_call_beyond_earned();
