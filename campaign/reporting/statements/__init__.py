"""Statements of funders: a fund over a period, with its balances, sums and lines, as PDF, CSV, XLSX and JSON. They never name donors."""
