"""Every setting, its unit, default, bounds and help, once: the fields of `Settings`.

A setting is named `ORDER_FLOW_` + its field in capitals (`POLYGON_*` without the prefix) in the
environment and in `.env`, and by its field in the config file. What is found first counts:
command line, environment, `.env`, config file, default. A blank value counts as not set.
Nothing else in the project reads the environment.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from flows.errors import SettingsError
from flows.setting_files import read_config, read_env_file
from flows.setting_values import DELAYED_S, Rule, is_delayed, parse

PREFIX = "ORDER_FLOW_"
CONFIG = "ORDER_FLOW_CONFIG"
CONFIG_HELP = "Config file with any of these settings by field name, TOML or JSON"
DEVELOPER_NAMES = frozenset({"ORDER_FLOW_REAL_DATA"})  # read by the tests, no setting

Feed = Literal["polygon", "tape", "sample"]
Watch = Literal["positions_only", "watchlist", "all"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of a run, valid by construction through `load`.

    `sources` says where each value came from. Keys are shown neither by `repr` nor by `public`.
    """

    polygon_api_key: Annotated[str, Rule("Your Polygon API key; never shown", secret=True)] = ""
    polygon_ws_url: Annotated[
        str, Rule("WebSocket host; the market's path is appended", schemes=("wss", "ws"))
    ] = "wss://socket.polygon.io"
    polygon_rest_url: Annotated[str, Rule("REST host", schemes=("https", "http"))] = (
        "https://api.polygon.io"
    )
    polygon_s3_url: Annotated[
        str, Rule("S3 endpoint of the flat files", schemes=("https", "http"))
    ] = "https://files.massive.com"
    polygon_s3_access_key: Annotated[
        str, Rule("Access key of the flat files; never shown", secret=True)
    ] = ""
    polygon_s3_secret_key: Annotated[
        str, Rule("Secret key of the flat files; never shown", secret=True)
    ] = ""
    data_source: Annotated[
        str,
        Rule(
            "Where ticks come from; auto is polygon with a key and sample without",
            choices=("auto", "polygon", "tape", "sample"),
        ),
    ] = "auto"
    monitoring_mode: Annotated[
        str,
        Rule(
            "What to watch live; a tape is watched whole unless this or SYMBOLS is set",
            choices=("positions_only", "watchlist", "all"),
        ),
    ] = "positions_only"
    symbols: Annotated[
        tuple[str, ...], Rule("Symbols of the watchlist, such as AAPL,BRK.B", symbols=True)
    ] = ()
    positions_file: Annotated[
        Path | None, Rule("JSON or CSV file the bot writes its positions to")
    ] = None
    data_dir: Annotated[Path, Rule("Folder of alerts, history and captures")] = Path("data")
    tape: Annotated[tuple[str, ...], Rule("Files, globs or folders the tape source reads")] = ()
    detection_mode: Annotated[
        str, Rule("Fixed thresholds, or ones that follow the symbol", choices=("fixed", "adaptive"))
    ] = "fixed"
    large_order_size: Annotated[
        int, Rule("Size from which a parent order is large", unit="shares", low=1000)
    ] = 10_000
    parent_gap_ms: Annotated[
        int, Rule("Longest pause inside a parent order; 0: every print alone", "ms", 0, 1000)
    ] = 10
    min_notional: Annotated[
        float, Rule("Smallest parent that is large in adaptive mode", "dollars", 0)
    ] = 200_000.0
    learn_from: Annotated[
        Path | None, Rule("Run, or its history, that adaptive mode learns from beside its own")
    ] = None
    volume_spike_threshold: Annotated[
        float, Rule("Volume over its average that starts a red burst", low=1.5, high=10)
    ] = 3.0
    red_burst_threshold: Annotated[
        float,
        Rule("Volume over its average that makes it critical", floor="volume_spike_threshold"),
    ] = 4.0
    sell_share: Annotated[float, Rule("Share of selling a red burst must exceed", "", 0.5, 1)] = 0.6
    min_burst_volume: Annotated[
        int, Rule("Smallest one-minute volume of a red burst", unit="shares", low=0)
    ] = 5000
    alert_window_seconds: Annotated[
        int, Rule("How long large sellers count together; also the cooldown", "seconds", 30, 300)
    ] = 120
    exit_sellers: Annotated[int, Rule("Large sellers that make an exit signal", "", 2, 20)] = 3
    side_rule: Annotated[
        str,
        Rule(
            "How prints inside the spread are signed",
            choices=("clnv", "lee_ready", "emo", "quote", "tick"),
        ),
    ] = "clnv"
    quote_max_age_seconds: Annotated[
        int, Rule("Oldest quote that still signs a print", "seconds", 1, 3600)
    ] = 60
    late_print_ms: Annotated[
        int, Rule("Report delay from which a print is late", "ms", 0, 60_000)
    ] = 1000
    sessions: Annotated[
        str,
        Rule(
            "Phases admitted: pre, regular, post, a comma list, a clock window or all",
            sessions=True,
        ),
    ] = "regular"
    book_levels: Annotated[
        int, Rule("Ask levels searched for resting sellers, where there is depth", "", 1, 10)
    ] = 5
    feed_delay_seconds: Annotated[
        float, Rule("Delay the feed is sold with; 900 on the delayed host", "seconds", 0)
    ] = 0.0
    lag_warn_seconds: Annotated[
        float, Rule("Lag of the feed from which it is warned about", "seconds", 0)
    ] = 10.0
    lag_suspend_seconds: Annotated[
        float, Rule("Lag from which a symbol raises no alerts", "seconds", 0)
    ] = 30.0
    silence_seconds: Annotated[
        float, Rule("Silence in an open market after which to reconnect; 0: never", "seconds", 0)
    ] = 30.0
    heartbeat_seconds: Annotated[
        float, Rule("Pause between heartbeat lines while live; 0: none", "seconds", 0)
    ] = 15.0
    metrics_port: Annotated[
        int, Rule("Port of /metrics and /healthz on 127.0.0.1; 0: none", "", 0, 65_535)
    ] = 0
    context: Annotated[bool, Rule("Say what surrounds an alert: market, order flow")] = False
    record: Annotated[bool, Rule("Record the raw feed of `run`, too, to live/tapes")] = False
    freshness: Annotated[
        bool, Rule("Judge the age of live ticks; off for a mock that plays an old tape")
    ] = True
    sources: dict[str, str] = msgspec.field(default_factory=dict)

    def public(self) -> dict[str, Any]:
        """Return the settings as plain JSON values, without the key and without `sources`."""
        return {s.field: plain(getattr(self, s.field)) for s in TABLE if not s.rule.secret}

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.public().items())
        return f"Settings(polygon_api_key={mask(self.polygon_api_key)}, {shown})"

    def __rich_repr__(self) -> Any:
        yield from self.public().items()


class Setting(NamedTuple):
    """One row of the table: a field of `Settings` and how it is set."""

    field: str
    env: str
    kind: Any
    default: Any
    rule: Rule


def mask(key: str) -> str:
    """Return what may be shown of a secret: whether it is set."""
    return "(set, hidden)" if key else "(not set)"


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def env_name(field: str) -> str:
    """Return the name of a setting in the environment and in `.env`."""
    return field.upper() if field.startswith("polygon_") else PREFIX + field.upper()


def field_name(name: str) -> str:
    """Return the field of `Settings` that a name, ours or mistyped, would be."""
    return name.lower().removeprefix(PREFIX.lower())


def _table() -> tuple[Setting, ...]:
    defaults = Settings()
    hints = get_type_hints(Settings, include_extras=True)
    return tuple(
        Setting(field, env_name(field), *_kind(hint, getattr(defaults, field)))
        for field, hint in hints.items()
        if get_origin(hint) is Annotated
    )


def _kind(hint: Any, default: Any) -> tuple[Any, Any, Rule]:
    kind, rule = get_args(hint)
    return kind, default, rule


TABLE = _table()
_BY_FIELD = {s.field: s for s in TABLE}
_BY_ENV = {s.env: s for s in TABLE}


class _Found(NamedTuple):
    """A value as it was found, before it is parsed, and where."""

    value: Any
    source: str


def load(environ: Mapping[str, str], cwd: Path, flags: Mapping[str, Any] | None = None) -> Settings:
    """Collect, parse and check the settings.

    Args:
        environ: The process environment.
        cwd: Folder of `.env`, and where relative paths start.
        flags: Values from the command line by field, which win over all others; None counts
            as not given.

    Returns:
        Valid settings with their sources.

    Raises:
        SettingsError: an unknown name, a value out of bounds or an unreadable file, in one
            sentence that names it, the value, the bound and where it came from.
    """
    dotenv = read_env_file(cwd / ".env")
    found = _from_flags(flags or {})
    _add(found, _from_environment({k: _Found(v, "environment") for k, v in environ.items()}))
    _add(found, _from_environment({k: _Found(v, f".env line {n}") for k, (v, n) in dotenv.items()}))
    config = environ.get(CONFIG, "").strip() or dotenv.get(CONFIG, ("", 0))[0]
    if config:
        _add(found, _from_config(cwd / Path(config).expanduser()))

    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for setting in TABLE:
        item = found.get(setting.field)
        sources[setting.field] = item.source if item else "default"
        values[setting.field] = _value(setting, item, cwd)
    if "feed_delay_seconds" not in found and is_delayed(values["polygon_ws_url"]):
        values["feed_delay_seconds"], sources["feed_delay_seconds"] = DELAYED_S, "delayed host"
    settings = Settings(**values, sources=sources)
    _check_together(settings)
    return settings


def from_process(**flags: Any) -> Settings:
    """Load the settings of this process, started in its working directory."""
    return load(os.environ, Path(), flags)


def _add(found: dict[str, _Found], more: Mapping[str, _Found]) -> None:
    for field, item in more.items():
        found.setdefault(field, item)


def _from_flags(flags: Mapping[str, Any]) -> dict[str, _Found]:
    return {
        field: _Found(value, f"--{field.replace('_', '-')}")
        for field, value in flags.items()
        if value is not None and value != ()
    }


def _from_environment(named: Mapping[str, _Found]) -> dict[str, _Found]:
    """Pick our names out of an environment, and refuse those that only look like ours."""
    found = {}
    for name, item in named.items():
        setting = _BY_ENV.get(name)
        if setting is None:
            if name.startswith(PREFIX) and name != CONFIG and name not in DEVELOPER_NAMES:
                raise _unknown(name, item.source, (*_BY_ENV, CONFIG))
        elif item.value.strip():
            found[setting.field] = item
    return found


def _from_config(path: Path) -> dict[str, _Found]:
    found = {}
    for field, value in read_config(path).items():
        if field not in _BY_FIELD:
            raise _unknown(field, path.name, _BY_FIELD)
        found[field] = _Found(value, path.name)
    return found


def _unknown(name: str, source: str, known: Iterable[str]) -> SettingsError:
    bare = {field_name(other): other for other in known}
    close = difflib.get_close_matches(field_name(name), bare, n=1, cutoff=0.7)
    hint = f"did you mean {bare[close[0]]}?" if close else "`orderflow config` lists them all."
    return SettingsError(f"{name} ({source}) is not a setting; {hint}")


def _value(setting: Setting, item: _Found | None, cwd: Path) -> Any:
    value = setting.default
    if item is not None:
        try:
            value = parse(setting.kind, setting.rule, item.value)
        except ValueError as wrong:
            shown = "(hidden)" if _may_hold_key(setting, item.value) else _shown(item.value)
            raise SettingsError(f"{setting.env} is {shown} ({item.source}), but {wrong}.") from None
    return cwd / value.expanduser() if isinstance(value, Path) else value


def _may_hold_key(setting: Setting, value: Any) -> bool:
    return setting.rule.secret or (
        bool(setting.rule.schemes) and any(c in "@?" for c in str(value))
    )


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(plain(value))
    text = text if len(text) <= 80 else text[:77] + "..."
    return text if text.isprintable() else repr(text)


def _check_together(settings: Settings) -> None:
    """Refuse what is wrong only beside another setting."""
    for setting in TABLE:
        floor = setting.rule.floor
        if floor is None:
            continue
        value, least = getattr(settings, setting.field), getattr(settings, floor)
        if value < least:
            raise SettingsError(
                f"{setting.env} is {value:g} ({settings.sources[setting.field]}), but must be at "
                f"least {env_name(floor)}, which is {least:g} ({settings.sources[floor]})."
            )


def resolve_feed(settings: Settings) -> Feed:
    """Return the feed a start opens, once what it needs is known to be there.

    Raises:
        SettingsError: polygon without a key or without anything to watch, tape without files.
    """
    feed = settings.data_source
    if feed == "auto":
        feed = "polygon" if settings.polygon_api_key else "sample"
    if feed == "polygon":
        _check_live(settings)
        return "polygon"
    if feed == "tape":
        if not settings.tape:
            raise SettingsError(
                "ORDER_FLOW_DATA_SOURCE is tape, but ORDER_FLOW_TAPE names no files: set it to "
                "files, globs or folders, or use `orderflow replay FILE...`."
            )
        return "tape"
    return "sample"


def _check_live(settings: Settings) -> None:
    if not settings.polygon_api_key:
        raise SettingsError(
            "ORDER_FLOW_DATA_SOURCE is polygon, but POLYGON_API_KEY is not set: put it into "
            "the environment or into .env."
        )
    mode, file = settings.monitoring_mode, settings.positions_file
    if mode == "positions_only" and file is None:
        raise SettingsError(
            "ORDER_FLOW_MONITORING_MODE is positions_only, but ORDER_FLOW_POSITIONS_FILE names "
            "no file: set it, or set the mode to watchlist (with ORDER_FLOW_SYMBOLS) or all."
        )
    if mode == "positions_only" and file is not None and not file.is_file():
        raise SettingsError(
            f"ORDER_FLOW_POSITIONS_FILE is {file} ({settings.sources['positions_file']}), but "
            "there is no such file: start the bot that writes it, or begin with one that says []."
        )
    if mode == "watchlist" and not settings.symbols:
        raise SettingsError(
            "ORDER_FLOW_MONITORING_MODE is watchlist, but ORDER_FLOW_SYMBOLS is empty: list the "
            "symbols, such as AAPL,MSFT."
        )


def resolve_watch(settings: Settings, feed: Feed) -> Watch:
    """Return which symbols a start watches: a tape's all, unless a setting says otherwise."""
    mode: Watch = settings.monitoring_mode  # type: ignore[assignment]  # one of its choices
    if feed == "polygon" or settings.sources.get("monitoring_mode", "default") != "default":
        return mode
    return "watchlist" if settings.symbols else "all"
