"""The funder’s report, behind a private link."""
