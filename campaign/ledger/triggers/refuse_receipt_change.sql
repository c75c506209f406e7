-- A receipt never changes, but for the donor's name and address once tax law asks for them no longer.
CREATE OR REPLACE FUNCTION refuse_receipt_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF to_jsonb(NEW) = to_jsonb(OLD) || jsonb_build_object('content', OLD.content || '{"donor_name": "", "donor_address": []}')
            AND OLD.issued_at < now() - interval '6 years'
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'receipt is append-only' USING ERRCODE = 'restrict_violation';
END
$$;

CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON receipt FOR EACH ROW EXECUTE FUNCTION refuse_receipt_change();
