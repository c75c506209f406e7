-- Once a mail server may have accepted an e-mail, every further attempt must send the same bytes.
CREATE OR REPLACE FUNCTION refuse_frozen_email_change() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT FROM delivery_attempt WHERE outbox_id = OLD.outbox_id AND (outcome IS NULL OR outcome IN ('accepted', 'unknown'))) THEN
        RAISE EXCEPTION 'e-mail % may have been delivered and cannot change', OLD.outbox_id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;

CREATE OR REPLACE TRIGGER frozen_once_delivered BEFORE DELETE OR UPDATE ON frozen_email
    FOR EACH ROW
    EXECUTE FUNCTION refuse_frozen_email_change();
