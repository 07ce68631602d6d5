"""What ends an import, beside the refusals and settings of `flows.errors`."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from flows.errors import OrderflowError


class ImportFailed(OrderflowError):  # noqa: N818 - named by what happened, as a user reads it
    """A source or a disk that ends an import; what is finished stays, and counts on a resume."""


def from_database(what: str, error: duckdb.Error, out: Path) -> ImportFailed:
    """Return the failure behind a database error; `what` begins its sentence."""
    text = " ".join(str(error).split())
    if "No space left on device" in text or "max_temp_directory_size" in text:
        return no_space(out)
    # Where the reader goes on, it gives advice about its own options.
    reason = re.split(r" Possible | This type was ", re.sub(r"^[A-Z][\w ]* Error: ", "", text))[0]
    return ImportFailed(f"{what}: {reason[:300]}")


def no_space(out: Path) -> ImportFailed:
    """Return that the target disk is full."""
    return ImportFailed(
        f"no space left on the disk of {out}: free some (sorting needs about as much as the tape "
        "itself) and run the same import again"
    )
