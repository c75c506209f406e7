-- Once a mail server may have accepted an e-mail, every further attempt must send the same bytes. When there is none any more, who it was to and what
-- it said may be erased.
CREATE OR REPLACE FUNCTION refuse_frozen_email_change() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.recipient = '' AND NEW.recipient_name = '' AND NEW.subject = '' AND NEW.sealed_plain = '' AND NEW.sealed_html = ''
            AND NEW.outbox_id = OLD.outbox_id AND NEW.frozen_at = OLD.frozen_at AND NEW.receipt_id IS NOT DISTINCT FROM OLD.receipt_id
            AND NEW.fund_call_id IS NOT DISTINCT FROM OLD.fund_call_id
            AND EXISTS (SELECT FROM outbox WHERE id = OLD.outbox_id AND (done_at IS NOT NULL OR dead_at IS NOT NULL))
        THEN
            RETURN NEW;
        END IF;
    END IF;
    IF EXISTS (SELECT FROM delivery_attempt WHERE outbox_id = OLD.outbox_id AND (outcome IS NULL OR outcome IN ('accepted', 'unknown'))) THEN
        RAISE EXCEPTION 'e-mail % may have been delivered and cannot change', OLD.outbox_id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;

CREATE OR REPLACE TRIGGER frozen_once_delivered BEFORE DELETE OR UPDATE ON frozen_email
    FOR EACH ROW
    EXECUTE FUNCTION refuse_frozen_email_change();
