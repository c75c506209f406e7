"""Pure arithmetic and words: plain values in, plain values out; no database, no Flask, no clock."""
