-- The lines of a receipt are current until the receipt is cancelled or replaced.
CREATE OR REPLACE FUNCTION end_receipt_lines() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE receipt_line SET is_current = false WHERE receipt_id = NEW.receipt_id;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION end_receipt_lines FROM PUBLIC;

CREATE OR REPLACE TRIGGER ends_lines AFTER INSERT ON receipt_end FOR EACH ROW EXECUTE FUNCTION end_receipt_lines();
