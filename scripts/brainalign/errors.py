"""The one exception for input that the user has to mend."""


class InputError(ValueError):
    """Bad input: one line that names the file, key or row, what was found and what was expected."""
