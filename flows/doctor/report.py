"""The checks put together, and what programs want to know of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from flows import __version__, instance
from flows.doctor import here, vendor
from flows.doctor.check import FAIL, OK, WARN, Check, PolygonApi
from flows.errors import OrderflowError, SettingsError
from flows.places import live_folder
from flows.settings import Settings, from_process, resolve_feed


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    `polygon_api`: ok, rate_limited, refused, unreachable, timeout, or skipped without a key.
    `last_alert`: the newest alert of the live folder, None if there is none.
    """

    checks: tuple[Check, ...]
    polygon_api: PolygonApi
    last_alert: dict[str, Any] | None

    @property
    def failed(self) -> bool:
        """Whether any check failed."""
        return any(check.status == FAIL for check in self.checks)

    def public(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "status": "degraded" if self.failed else "ok",
            "polygon_api": self.polygon_api,
            "last_alert": self.last_alert,
            "version": __version__,
            "checks": [asdict(check) for check in self.checks],
        }


def examine(timeout_s: float) -> Report:
    """Check everything with the settings of this process.

    Args:
        timeout_s: how long the vendor may take for an answer.
    """
    try:
        settings = from_process()
    except SettingsError as wrong:
        # Without settings nobody knows which folder or which key to look at.
        return Report((_wrong(wrong), here.calendar()), "skipped", None)
    root = live_folder(settings.data_dir)
    runs = instance.holder(root)
    last = here.last_alert(root)
    found = vendor.checks(settings, runs is not None, timeout_s)
    checks = (
        configuration(settings),
        here.kernels_compiled(live=bool(settings.polygon_api_key)),
        here.folder(root),
        here.disk(root),
        here.run(root, runs, settings),
        here.history(root, runs),
        here.alerted(last),
        here.calendar(),
        *found.checks,
    )
    return Report(checks, found.polygon_api, last)


def _wrong(error: OrderflowError) -> Check:
    return Check("configuration", FAIL, str(error).rstrip("."), "see `orderflow config`")


def configuration(settings: Settings) -> Check:
    """Check that a start would open the feed its user has in mind."""
    try:
        feed = resolve_feed(settings)
    except OrderflowError as wrong:
        return _wrong(wrong)
    if feed == "sample" and settings.data_source == "auto":
        return Check(
            "configuration",
            WARN,
            "no POLYGON_API_KEY: `orderflow run` plays the embedded sample tape",
            "put the key into .env to go live",
        )
    return Check("configuration", OK, f"valid, and `orderflow run` reads {feed}")
