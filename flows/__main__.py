"""The `orderflow` command from its first moment to its last: Ctrl-C is never a traceback."""

import os
import signal
import sys

INTERRUPTED = 130

# While modules are loaded nothing is open that would have to be closed, and an exception would
# not do: the making of an enum, say, turns it into another one.
_before = signal.getsignal(signal.SIGINT)
if _before is signal.default_int_handler:
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
from flows import cli  # noqa: E402 - see above

signal.signal(signal.SIGINT, _before)


def main() -> int:
    """Run the command line and return its exit code, which from then on is certain."""
    code = cli.main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done; the interpreter clears up
    return code


if __name__ == "__main__":
    sys.exit(main())
