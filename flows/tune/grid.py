"""The settings that are tried: a few values for each threshold, and every combination of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from flows.errors import OrderflowError
from flows.setting_values import parse
from flows.settings import TABLE, Settings
from operators.large_orders import ParentRules
from operators.red_burst import CALM_RATIO, BurstRules
from operators.ticks import MICRO

_BY_FIELD = {setting.field: setting for setting in TABLE}


class Point(msgspec.Struct, frozen=True, order=True):
    """One combination of thresholds, by the names of the settings."""

    large_order_size: int
    parent_gap_ms: int
    volume_spike_threshold: float
    red_burst_threshold: float
    sell_share: float
    min_burst_volume: int
    exit_sellers: int
    alert_window_seconds: int

    @property
    def parents(self) -> ParentRules:
        """The rules of large sellers."""
        return ParentRules(self.parent_gap_ms, self.large_order_size * MICRO)

    @property
    def bursts(self) -> BurstRules:
        """The rules of red bursts."""
        return BurstRules(
            self.volume_spike_threshold,
            self.red_burst_threshold,
            self.sell_share,
            self.min_burst_volume * MICRO,
            self.alert_window_seconds * 1000,
        )


FIELDS = Point.__struct_fields__
DEFAULT: Mapping[str, tuple[float, ...]] = {
    "large_order_size": (5_000, 10_000, 20_000, 50_000, 100_000),
    "parent_gap_ms": (10, 100),
    "volume_spike_threshold": (3.0, 4.0, 6.0),
    "red_burst_threshold": (4.0, 6.0, 8.0),
    "sell_share": (0.6, 0.7, 0.8),
    "min_burst_volume": (5_000, 20_000, 100_000),
    "exit_sellers": (3, 5),
    "alert_window_seconds": (120, 300),
}


class Lowest(NamedTuple):
    """The loosest of each threshold: what does not reach these fires nowhere on the grid."""

    size: int
    gap_ms: int
    spike: float
    calm: tuple[float, ...]
    sell_share: float
    volume: int


class Grid(msgspec.Struct, frozen=True):
    """The values of each setting, sorted, those in force among them."""

    values: dict[str, tuple[float, ...]]

    def points(self) -> Iterator[Point]:
        """Yield every combination in which critical is not below the spike."""
        for combination in itertools.product(*(self.values[field] for field in FIELDS)):
            point = Point(*combination)  # type: ignore[arg-type]  # parsed as its kind
            if point.red_burst_threshold >= point.volume_spike_threshold:
                yield point

    def lowest(self) -> Lowest:
        """Return the bounds within which the grid lies."""
        spikes = self.values["volume_spike_threshold"]
        return Lowest(
            int(min(self.values["large_order_size"])) * MICRO,
            int(max(self.values["parent_gap_ms"])),
            min(spikes),
            tuple(sorted({min(CALM_RATIO, spike * 2 / 3) for spike in spikes})),
            min(self.values["sell_share"]),
            int(min(self.values["min_burst_volume"])) * MICRO,
        )


def current(settings: Settings) -> Point:
    """Return the thresholds in force."""
    return Point(*(getattr(settings, field) for field in FIELDS))


def grid_of(settings: Settings, wanted: Iterable[str] = ()) -> Grid:
    """Return the grid around the thresholds in force.

    Args:
        settings: Those in force; their values are added to each list.
        wanted: `name=value,value` for each setting whose values are not the usual ones.

    Raises:
        OrderflowError: a name is none of the grid's, or a value out of its bounds.
    """
    values = {field: list(values) for field, values in DEFAULT.items()}
    for text in wanted:
        name, _, listed = text.partition("=")
        if name not in DEFAULT:
            raise OrderflowError(f"--grid {text}: {name!r} is none of {', '.join(FIELDS)}.")
        values[name] = [_value(name, part) for part in listed.split(",") if part]
    own = current(settings)
    return Grid({field: tuple(sorted({*values[field], getattr(own, field)})) for field in FIELDS})


def _value(name: str, text: str) -> float:
    setting = _BY_FIELD[name]
    try:
        value: float = parse(setting.kind, setting.rule, text)
    except ValueError as wrong:
        raise OrderflowError(f"--grid {name}={text}: {name} {wrong}.") from None
    return value
