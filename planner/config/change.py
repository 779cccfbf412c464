"""The shape of a change file: what `planner whatif` changes against the base. Short keys for the usual questions.

A change file is one case: everything in it is changed together, and compared with the base, replicate by replicate.
"""

from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from planner.config.quantities import Fraction, Seconds
from planner.config.spec import Spec
from planner.units import parse_bytes, parse_fraction

EVERY_KIND = "*"
"""Pattern that every kind of host matches."""

PageSharing = Literal["off", "salted", "unsalted"]


def change_amount(base_bytes: int, amount: str) -> int:
    """Return a memory size after a change written as "+128 GiB", "-25 %" or, absolute, "768 GiB", in bytes.

    Raises
    ------
    ValueError
        It is none of these, or nothing would be left.
    """
    text = amount.strip()
    sign = {"+": 1, "-": -1}.get(text[:1], 0)
    if not sign:
        changed = parse_bytes(text)
    elif text.endswith("%"):
        changed = round(base_bytes * (1.0 + sign * parse_fraction(text[1:])))
    else:
        changed = base_bytes + sign * parse_bytes(text[1:])
    if changed <= 0:
        raise ValueError(f"{amount} leaves nothing; write less, e.g. -10 %")
    return changed


def _amount(value: Any) -> Any:
    """Check an amount without knowing what it changes: by a terabyte nothing that makes sense goes below zero."""
    if not isinstance(value, str):
        raise ValueError('needs a unit and, for a difference, a sign; write "+128 GiB", "-25 %" or "768 GiB"')
    try:
        change_amount(1 << 60, value)
    except ValueError as error:
        raise ValueError(f'{error}; write "+128 GiB", "-25 %" or "768 GiB"') from None
    return value


def _hosts(value: Any) -> Any:
    """Let a name or a list of names stand for the section: `lose_hosts: esx-03`."""
    if isinstance(value, str):
        return {"hosts": [value]}
    return {"hosts": value} if isinstance(value, list) else value


def _by_kind(value: Any) -> Any:
    """Let one amount stand for every kind of host."""
    return value if isinstance(value, dict) else {EVERY_KIND: value}


def _growth(value: Any) -> Any:
    """Let a percentage stand for the section: `growth: 3 %`."""
    return {"per_month": value} if isinstance(value, str | float) else value


_SPARE = "Whether hosts of the config that hold no VM in the base may take some"
Amount = Annotated[str, BeforeValidator(_amount)]


class LostHosts(Spec):
    """Hosts that fail: their VMs restart on the others."""

    hosts: tuple[str, ...] = Field(default=(), description="Names of the hosts that are lost")
    any: int | None = Field(
        default=None, ge=1, le=8, description="Lose any so many of the hosts in use; the worst case is found"
    )
    at: Seconds | None = Field(
        default=None, ge=0,
        description="When they fail; omitted: they are missing, and their VMs run elsewhere, from the start",
    )  # fmt: skip
    restart_delay: Seconds = Field(
        default=300.0, ge=0, description="Time from the failure until the VMs boot elsewhere (with `at`)"
    )
    use_spare_hosts: bool = Field(default=False, description=_SPARE)


class Maintenance(Spec):
    """Hosts that are emptied by live migration."""

    hosts: tuple[str, ...] = Field(min_length=1, description="Names of the hosts that go into maintenance")
    at: Seconds | None = Field(
        default=None, ge=0, description="When they are emptied; omitted: when judging starts (`warm_up`)"
    )
    warn_above: Fraction = Field(
        default=0.90, gt=0, description="Name the hosts whose guests would then hold more than this share of the memory"
    )
    use_spare_hosts: bool = Field(default=False, description=_SPARE)


class ClassGrowth(Spec):
    """Growth of some of the VMs."""

    match: str = Field(min_length=1, description="VMs by name, * and ? allowed, or `group: NAME`")
    per_month: Fraction = Field(ge=0, le=10, description="VMs added a month, of those there are")

    def holds(self, name: str, group: str | None) -> bool:
        """Whether a VM is of this class."""
        kind, _, pattern = self.match.partition(":")
        if kind == "group" and pattern:
            return group is not None and fnmatchcase(group, pattern.strip())
        return fnmatchcase(name, self.match)


class Growth(Spec):
    """VMs that are added month by month, until the objective breaks."""

    per_month: Fraction = Field(default=0.0, ge=0, le=10, description="VMs added a month, of those there are")
    months: int = Field(default=24, ge=1, le=120, description="How many months are looked at")
    classes: tuple[ClassGrowth, ...] = Field(
        default=(), description="Classes of VMs that grow by a rate of their own; the first that matches counts"
    )

    def rate_of(self, name: str, group: str | None) -> float:
        """Return the growth a month of a VM's class."""
        return next((item.per_month for item in self.classes if item.holds(name, group)), self.per_month)


class ChangeSpec(Spec):
    """What one case changes against the base. At least one key; all that are given apply together."""

    name: str | None = Field(default=None, min_length=1, description="Name of the case; omitted: that of the file")
    lose_hosts: (
        Annotated[LostHosts, BeforeValidator(_hosts, json_schema_input_type=str | list[str] | LostHosts)] | None
    ) = Field(default=None, description="Hosts that fail: names, {any: 1}, or a section")
    maintenance: (
        Annotated[Maintenance, BeforeValidator(_hosts, json_schema_input_type=str | list[str] | Maintenance)] | None
    ) = Field(default=None, description="Hosts that are emptied by live migration: names, or a section")
    host_memory: (
        Annotated[dict[str, Amount], BeforeValidator(_by_kind, json_schema_input_type=str | dict[str, Amount])] | None
    ) = Field(default=None, description='RAM of every host, or by kind of host: "+128 GiB", "-25 %" or "768 GiB"')
    page_sharing: PageSharing | None = Field(
        default=None, description="off; salted: within a VM only; unsalted: between VMs, too"
    )
    large_pages: bool | None = Field(default=None, description="Whether guests are backed with 2 MiB pages")
    balloon_driver_missing: Fraction | None = Field(
        default=None, ge=0, le=1, description="Share of the VMs that have no balloon driver"
    )
    swap: str | None = Field(default=None, description="Swap device, or memory tier, of every host")
    growth: Annotated[Growth, BeforeValidator(_growth, json_schema_input_type=str | float | Growth)] | None = Field(
        default=None, description="VMs that are added month by month: how much time remains?"
    )
    hypervisor: str | None = Field(default=None, description="Policy of another hypervisor: the name of a preset")
    placement: str | None = Field(default=None, description="Another placement: all VMs are placed anew by it")
    place_again: bool = Field(
        default=False, description="Place all VMs anew, by the placement of the base; else they stay where they are"
    )
    set: dict[str, Any] = Field(default={}, description="Any values of the config, by path")
