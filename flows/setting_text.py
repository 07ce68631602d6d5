"""The settings as text: `orderflow config`, `.env.example` and the table of the README."""

from __future__ import annotations

from typing import Any

from flows.settings import CONFIG, CONFIG_HELP, TABLE, Setting, Settings, env_name, mask, plain

_EXAMPLE_HEAD = """\
# Every setting, with its default. Copy to .env and take away the # of what you change.
# The environment wins over .env, .env wins over the file ORDER_FLOW_CONFIG names.
"""


def written(value: Any) -> str:
    """Return a value as it is written in the environment."""
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ",".join(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def bounds(setting: Setting) -> str:
    """Return what the setting may be, as a phrase; empty where anything goes."""
    rule = setting.rule
    if setting.kind is bool:
        return "on or off"
    if rule.floor:
        return f"at least {env_name(rule.floor)}"
    return rule.bounds


def rows(settings: Settings) -> list[dict[str, str]]:
    """Return one row a setting: name, value, source, bounds, help. The key is masked."""
    found = []
    for setting in TABLE:
        value = getattr(settings, setting.field)
        found.append(
            {
                "name": setting.env,
                "value": mask(value) if setting.rule.secret else written(value),
                "source": settings.sources.get(setting.field, "default"),
                "bounds": bounds(setting),
                "help": setting.rule.help,
            }
        )
    return found


def env_example() -> str:
    """Return `.env.example`: every setting commented out, so a copy changes nothing."""
    blocks = [_EXAMPLE_HEAD]
    for setting in TABLE:
        limits = bounds(setting)
        lines = [f"# {setting.rule.help}" + (f" ({limits})" if limits else "")]
        lines.append(f"#{setting.env}={written(setting.default)}")
        blocks.append("\n".join(lines) + "\n")
    blocks.append(f"# {CONFIG_HELP}\n#{CONFIG}=\n")
    return "\n".join(blocks)


def markdown() -> str:
    """Return the settings as the table the README holds."""
    lines = ["| name | default | bounds | meaning |", "|---|---|---|---|"]
    for setting in TABLE:
        default = written(setting.default)
        shown = f"`{default}`" if default else ""
        unit = f" {setting.rule.unit}" if setting.rule.unit else ""
        lines.append(
            f"| `{setting.env}` | {shown}{unit} | {bounds(setting)} | {setting.rule.help} |"
        )
    lines.append(f"| `{CONFIG}` | | | {CONFIG_HELP} |")
    return "\n".join(lines)
