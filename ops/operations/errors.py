"""How a command ends when it does not succeed. The text of each is all that a person sees."""


class Failure(Exception):
    """What went wrong, and what to do about it."""

    status = 1


class Doubt(Exception):
    """What a check cannot say, as something outside of this machine's tiers keeps it from that."""


class UsageError(Failure):
    """The command line is wrong."""

    status = 2


class NotServing(Failure):
    """The agent does not serve afterwards."""

    status = 3
