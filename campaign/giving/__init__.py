"""The nouns of the service, each with its table and its verbs in one file. Verbs never commit."""
