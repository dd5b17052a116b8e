"""The one exception for input that the user has to mend."""


class InputError(ValueError):
    """Bad input: one line that names the file, key or row, what was found and what was expected."""


REMAKE = "if the workflow made it, remove it and run again"
"""What to do about a damaged file."""
