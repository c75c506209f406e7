"""Privacy under Quebec's Law 25 and PIPEDA: requests of people, what is stored about one person, erasure, and retention."""
