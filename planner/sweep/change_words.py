"""Changes in words, for tables and reports."""

from collections.abc import Callable, Iterator
from typing import Any

from planner.config.change import EVERY_KIND, ChangeSpec, Growth, LostHosts, Maintenance
from planner.units import format_seconds, format_value

_SHARING = {"off": "page sharing off", "salted": "page sharing within VMs only", "unsalted": "page sharing between VMs"}


def describe_change(change: ChangeSpec) -> str:
    """Say what a change changes: noun phrases, no capital letters of their own."""
    return ", ".join(_parts(change))


def _parts(change: ChangeSpec) -> Iterator[str]:
    """Write each key that is given, in the order of `_WORDS`."""
    for key, word in _WORDS.items():
        value = getattr(change, key)
        if value is not None:
            yield word(value)
    for kind, amount in (change.host_memory or {}).items():
        yield f"host memory {amount}" + ("" if kind == EVERY_KIND else f" on {kind}")
    if change.place_again and change.placement is None:
        yield "VMs placed again"
    for path, value in change.set.items():
        yield f"{path} = {format_value(value) if isinstance(value, bool | float | int | str) else value}"


def _maintenance(item: Maintenance) -> str:
    return f"{', '.join(item.hosts)} in maintenance{_at(item.at)}"


def _lost(lost: LostHosts) -> str:
    who = ", ".join(lost.hosts) or ("any host" if lost.any == 1 else f"any {lost.any} hosts")
    return f"{who} lost{_at(lost.at)}" if lost.at is not None else f"{who} missing"


def _at(time_s: float | None) -> str:
    return "" if time_s is None else f" after {format_seconds(time_s)}"


def _growth(growth: Growth) -> str:
    rates = [f"{item.match} {item.per_month * 100:g} %" for item in growth.classes]
    if growth.per_month:
        rates.append(f"{'others ' if rates else ''}{growth.per_month * 100:g} %")
    return f"growth of {', '.join(rates)} a month" if rates else "no growth"


_WORDS: dict[str, Callable[[Any], str]] = {
    "lose_hosts": _lost,
    "maintenance": _maintenance,
    "growth": _growth,
    "hypervisor": lambda name: f"policy of {name}",
    "page_sharing": _SHARING.__getitem__,
    "large_pages": lambda is_on: f"large pages {'on' if is_on else 'off'}",
    "balloon_driver_missing": lambda share: f"no balloon driver in {share * 100:g} % of VMs",
    "swap": lambda device: f"swap device {device}",
    "placement": lambda name: f"placement {name}",
}
