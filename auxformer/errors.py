"""The two ways in which things go wrong for a user, as exceptions that carry one sentence."""


class InputError(ValueError):
    """A file, table or option is not what it should be.

    The message names the thing, what is wrong with it, what was expected and what to do. The command line prints it
    without a traceback and exits with 2.
    """


class MediaError(InputError):
    """A media file cannot be decoded; extraction may skip the clip and count it."""


class TrainingError(RuntimeError):
    """Training cannot go on (a loss that is not a number, say); the message names the step and the clips."""
