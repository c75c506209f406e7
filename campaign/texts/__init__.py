"""Sentences built from the results of rules, in English and French, through one gettext catalogue."""
