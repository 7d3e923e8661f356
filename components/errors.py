"""The one exception that means "the user's input is at fault": exit code 2, one line, no traceback."""


class InputError(ValueError):
    """Bad input data or configuration.

    The message is what the user reads: it names the file, row and key, what was got and what was
    expected. Several problems are separate lines of one message.
    """
