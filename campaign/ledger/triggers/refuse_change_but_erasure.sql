-- Rows that are append-only, but whose personal data may be erased. The arguments of a trigger are the age from which that may be, by which column, and
-- which columns become empty then. Nothing else of a row changes, and what is erased does not come back.
CREATE OR REPLACE FUNCTION refuse_change_but_erasure() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := to_jsonb(OLD);
    after jsonb;
    name text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        after := to_jsonb(NEW);
        FOREACH name IN ARRAY TG_ARGV[2:] LOOP
            IF after -> name NOT IN ('""', '{}', '"\\x"') THEN
                after := NULL;
                EXIT;
            END IF;
            before := before - name;
            after := after - name;
        END LOOP;
        IF before = after AND (TG_ARGV[1] = '' OR (before ->> TG_ARGV[1])::timestamptz < now() - TG_ARGV[0]::interval) THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON contact_change
    FOR EACH ROW EXECUTE FUNCTION refuse_change_but_erasure('0', '', 'old', 'new');
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON privacy_act
    FOR EACH ROW EXECUTE FUNCTION refuse_change_but_erasure('1 year', 'at', 'note');
-- Tax law asks for these for six years after the end of a fiscal year.
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON receipt_declaration
    FOR EACH ROW EXECUTE FUNCTION refuse_change_but_erasure('6 years', 'recorded_at', 'name', 'words');
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON declaration_document
    FOR EACH ROW EXECUTE FUNCTION refuse_change_but_erasure('6 years', 'added_at', 'content');
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON receipt_document
    FOR EACH ROW EXECUTE FUNCTION refuse_change_but_erasure('6 years', 'rendered_at', 'pdf');
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON filed_return
    FOR EACH ROW EXECUTE FUNCTION refuse_change_but_erasure('6 years', 'recorded_at', 'register');
