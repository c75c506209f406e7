-- The lines of a receipt are current until the receipt is cancelled or replaced.
CREATE OR REPLACE FUNCTION end_receipt_lines() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE receipt_line SET is_current = false WHERE receipt_id = NEW.receipt_id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER ends_lines AFTER INSERT ON receipt_end FOR EACH ROW EXECUTE FUNCTION end_receipt_lines();
