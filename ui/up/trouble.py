"""Why Mulligan cannot start, in one line that says what to do."""


class Trouble(Exception):
    """Ends `mulligan up` with its message and exit code 1."""
