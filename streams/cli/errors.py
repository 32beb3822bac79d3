"""
What a verb says when it cannot do what was asked: code, cause and next step in one line.

Exit codes: 0 done; 1 done, and the answer is no (a check failed, a document is unknown);
2 the command line is wrong; 70 the world is (no broker, no disk), so try again later.
"""

FAILED = 1
USAGE = 2
INFRASTRUCTURE = 70


class VerbError(Exception):
    """
    An end of a verb that the user can do something about.

    Args:
        code: Stable, in capitals.
        cause: What is wrong, as a sentence without its full stop.
        next_step: What to do, as a command where there is one.
        exit_code: FAILED, USAGE or INFRASTRUCTURE.
    """

    def __init__(self, code: str, cause: str, next_step: str, exit_code: int = FAILED) -> None:
        super().__init__(f"{code}: {cause}. {next_step}")
        self.code = code
        self.cause = cause
        self.next_step = next_step
        self.exit_code = exit_code

    def line(self) -> str:
        """Write it for the terminal, on one line."""
        cause = " ".join(self.cause.split()).rstrip(".")
        stop = "" if cause.endswith("?") else "."
        return f"error {self.code}: {cause}{stop} Next: {' '.join(self.next_step.split())}"
