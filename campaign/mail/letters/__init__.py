"""The text of each e-mail, in the language of its recipient."""
