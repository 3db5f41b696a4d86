"""What stops a command, in one sentence."""


class Trouble(Exception):
    """A sentence that says what is wrong and what to do."""
