-- At commit, no match may exceed its ratio of what remains of the donation after a refund or lost dispute.
CREATE OR REPLACE FUNCTION refuse_match_beyond_net() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM require(coalesce(sum(ceil(m.matched_cents * f.ratio_denominator::numeric / f.ratio_numerator)), 0)
                 <= (SELECT net_cents FROM donation WHERE id = NEW.donation_id), 'within_net_gift', NEW.reference)
    FROM donation_match m JOIN fund f ON f.id = m.fund_id WHERE m.donation_id = NEW.donation_id;
    RETURN NULL;
END
$$;

DROP TRIGGER IF EXISTS match_within_net ON ledger_entry;
CREATE CONSTRAINT TRIGGER match_within_net AFTER INSERT ON ledger_entry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.kind IN ('refund', 'dispute', 'offline_reversal'))
    EXECUTE FUNCTION refuse_match_beyond_net();
