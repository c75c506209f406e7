-- The text whose SHA-256 is the digest of an entry: its fields, separated by bars. reporting/proofs.py builds the same text.
CREATE OR REPLACE FUNCTION ledger_entry_text(chain text, pos bigint, kind text, source text, target text, cents bigint, donation text, reference text, cause text, moment timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
SELECT concat_ws('|', chain, pos, kind, source, target, cents, coalesce(donation, ''), reference, cause,
                 to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
$$;
