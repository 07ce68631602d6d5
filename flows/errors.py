"""What stops a command, and with which exit code.

OrderflowError          one sentence for the user, with the next step; exit 1
├── SettingsError       a setting has a wrong name or value; exit 2
└── FeedRefusedError    the vendor refused the key or the plan; exit 3
"""

from __future__ import annotations


class OrderflowError(Exception):
    """A sentence a user can act on; the command line shows it without a traceback."""

    exit_code = 1


class SettingsError(OrderflowError):
    """A setting with a wrong name or a value out of bounds, and where it came from."""

    exit_code = 2


class FeedRefusedError(OrderflowError):
    """The feed answered, and the answer was no: key, plan or connection limit."""

    exit_code = 3
