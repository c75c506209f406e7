"""Programs for developers: checks of the code's structure, samples, mutants and long runs. Not part of the wheel."""
