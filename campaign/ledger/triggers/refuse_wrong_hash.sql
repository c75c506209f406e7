-- Bytes are stored with their own hash. Once their period is over they are erased, and the hash stays: a CHECK would have to read all of them again.
CREATE OR REPLACE FUNCTION refuse_wrong_hash() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    digest bytea;
BEGIN
    IF TG_TABLE_NAME = 'receipt_document' THEN
        PERFORM require(NEW.sha256 = sha256(NEW.pdf), TG_NAME::text, TG_TABLE_NAME::text);
        RETURN NULL;
    ELSIF TG_TABLE_NAME = 'declaration_document' THEN
        digest := sha256(NEW.content);
    ELSE
        digest := sha256(NEW.register);
    END IF;
    PERFORM require(NEW.sha256 = encode(digest, 'hex'), TG_NAME::text, TG_TABLE_NAME::text);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER hash_of_document AFTER INSERT ON receipt_document FOR EACH ROW EXECUTE FUNCTION refuse_wrong_hash();
CREATE OR REPLACE TRIGGER hash_is_of_content AFTER INSERT ON declaration_document FOR EACH ROW EXECUTE FUNCTION refuse_wrong_hash();
CREATE OR REPLACE TRIGGER register_has_its_hash AFTER INSERT ON filed_return FOR EACH ROW EXECUTE FUNCTION refuse_wrong_hash();
