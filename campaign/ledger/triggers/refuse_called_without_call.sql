-- What is called of a fund is posted as a call says, and reversed as its cancellation or a credit note says, each once: the reference names the row.
CREATE OR REPLACE FUNCTION refuse_called_without_call() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM require(EXISTS (
        SELECT FROM fund_call c
        WHERE c.fund_id = NEW.fund_id AND c.cents = NEW.cents AND NEW.reference = NEW.kind || ':' || c.id
          AND CASE NEW.kind WHEN 'call' THEN c.kind = 'call'
                            ELSE c.kind = 'credit_note' OR EXISTS (SELECT FROM call_cancellation x WHERE x.call_id = c.id) END),
        'called_is_a_call', NEW.reference);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER called_by_call AFTER INSERT ON ledger_entry
    FOR EACH ROW WHEN (NEW.kind IN ('call', 'call_reversal'))
    EXECUTE FUNCTION refuse_called_without_call();
