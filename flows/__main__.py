"""The `orderflow` command from its first moment to its last: Ctrl-C is never a traceback."""

from __future__ import annotations

import signal
import sys

INTERRUPTED = 130

try:
    from flows import cli
except KeyboardInterrupt:
    sys.exit(INTERRUPTED)


def main() -> int:
    """Run the command line and return its exit code, which from then on is certain."""
    code = cli.main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done; the interpreter clears up
    return code


if __name__ == "__main__":
    sys.exit(main())
