"""A config for each cluster of an inventory, ready for `planner sweep`, with what is not known marked as assumed."""

import math
import re
from collections.abc import Sequence
from typing import Any

import yaml

from planner.config.check_swap import check_something_can_reclaim
from planner.config.spec import FidelitySpec, PlannerConfig
from planner.inventory.assumed_hosts import AssumedHosts
from planner.inventory.cpu_models import DEFAULT_CPU, cpu_preset
from planner.inventory.found import Found, FoundHost, FoundRule, Note, RuleKind
from planner.inventory.window import Window
from planner.units import format_bytes_exact, format_seconds
from planner.workload.fleet_records import VmRecord

RATIOS = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0)
FEW_RATIOS = (1.0, 1.2, 1.4, 1.6, 2.0)
REPLICATES, LEAST_REPLICATES = 8, 3
MOST_HOST_RUNS = 9_000
"""Runs of a host for a week that two cores do within some five minutes; beyond, the config asks for less."""
MAIN_CONFIG = "fleet.yaml"
SWAP_IN_BYTES_PER_S = 1 << 20
COARSEST_STEP = 0.4
"""Largest share of it that a page may be which is read in a tick; `planner check` refuses a half."""
DEFAULT_PAGES_PER_VM = FidelitySpec().pages_per_vm
DEFAULT_WARM_UP_S = PlannerConfig.model_fields["warm_up"].default
_UNKNOWN_CORES_PER_VCPU = 0.25
"""Cores of a host that does not tell: a quarter of its VMs' vCPUs. An assumption; cores bear on no memory figure."""
_RULE_KEYS = {RuleKind.TOGETHER: "affinity", RuleKind.APART: "anti_affinity", RuleKind.MUST_RUN_ON: "must_run_on"}


def config_texts(found: Found, vms: Sequence[VmRecord], assumed: AssumedHosts, window: Window | None) -> dict[str, str]:
    """Write a config for every cluster that has hosts and running VMs, the largest as fleet.yaml.

    Returns
    -------
    dict
        Name of a file to its text; empty where hosts are named and none tells its memory. Notes of `found` say what
        was left out. A source that names no host at all gets hosts that are assumed.
    """
    if window is None:
        text = "the series cover no hour without a gap: no config can sweep them"
        found.doubts.append(Note(found.source, text, "record for longer"))
        return {}
    usable = [host for host in found.hosts if _is_used(host, found)]
    running = [vm for vm in vms if vm.is_on is not False]
    if not found.hosts and running:
        entry, text = assumed.entry(running)
        found.assumptions.append(text)
        return {MAIN_CONFIG: _text(found, None, [entry], running, window)}
    if not usable:
        found.doubts.append(
            Note(found.source, "no host is known well enough for a config", "--host-memory, or write one")
        )
        return {}
    named = sorted({host.cluster for host in usable if host.cluster is not None})
    clusters: list[str | None] = [*named]
    if not named or (len(named) == 1 and all(vm.cluster in (None, *named) for vm in running)):
        clusters = [None]
    elif any(host.cluster is None for host in usable):
        alone = ", ".join(host.name for host in usable if host.cluster is None)
        found.doubts.append(Note(alone, "hosts of no cluster are in no config", "add them where they belong"))
    texts = {}
    order = sorted(clusters, key=lambda name: (-sum(vm.cluster == name for vm in running), name or ""))
    for number, cluster in enumerate(order):
        hosts = [host for host in usable if cluster is None or host.cluster == cluster]
        mine = [vm for vm in running if cluster is None or vm.cluster == cluster]
        if not hosts or not mine:
            found.doubts.append(Note(cluster or found.source, "no VM runs there: it has no config"))
            continue
        name = MAIN_CONFIG if number == 0 else f"fleet-{_file_name(cluster or '')}.yaml"
        entries = [_host_entry(host, mine, found) for host in hosts]
        texts[name] = _text(found, cluster, entries, mine, window, _rules(found, cluster, hosts, mine))
    return texts


def _is_used(host: FoundHost, found: Found) -> bool:
    if host.memory_bytes is None:
        found.doubts.append(
            Note(
                f"{host.place} ({host.name})",
                "the host's memory is unknown: it is in no config",
                "--host-memory says it",
            )
        )
    elif (host.reserved_bytes or 0) >= host.memory_bytes:
        text = "what is kept for the hypervisor leaves nothing of the host's memory: it is in no config"
        found.doubts.append(Note(f"{host.place} ({host.name})", text, "check the reserve"))
        return False
    elif not host.is_usable:
        found.skipped.append(
            Note(f"{host.place} ({host.name})", "the host takes no VMs (maintenance, disabled or down)")
        )
    return host.memory_bytes is not None and host.is_usable


def _file_name(cluster: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", cluster).strip("-.") or "cluster"


def _text(
    found: Found,
    cluster: str | None,
    hosts: list[dict[str, Any]],
    vms: Sequence[VmRecord],
    window: Window,
    rules: dict[str, Any] | None = None,
) -> str:
    vms_spec: dict[str, Any] = {"fleet": "."}
    if cluster is not None:
        vms_spec["cluster"] = cluster
    config: dict[str, Any] = {
        "schema_version": 1,
        "seed": 1,
        "fleet": {"hosts": hosts, "vms": vms_spec},
        "hypervisor": found.hypervisor,
        "horizon": format_seconds(window.horizon_s),
        "tick": format_seconds(window.tick_s),
        **({"warm_up": "0 s"} if window.horizon_s <= DEFAULT_WARM_UP_S else {}),
        "question": "consolidate",
        "slo": {
            "swap_in": f"{format_bytes_exact(SWAP_IN_BYTES_PER_S)}/s",
            "for_more_than": "5 min",
            "hosts_affected": "10 %",
            "confidence": "95 %",
        },
    }
    if rules:
        config["placement_rules"] = rules
    n_hosts = sum(host["count"] for host in hosts)
    names = {host["name"] for host in hosts}
    sweep, is_reduced = _sweep(n_hosts, all(vm.host in names for vm in vms))
    # Windows of series that are played again are no more evidence.
    sweep["replicates"] = min(sweep["replicates"], window.windows or sweep["replicates"])
    config["sweep"] = sweep
    pages = _pages_per_vm(vms, window)
    if pages > DEFAULT_PAGES_PER_VM:
        config["fidelity"] = {"pages_per_vm": pages}
    if check_something_can_reclaim(PlannerConfig.model_validate(config)):
        config["sweep"]["overcommit_ratio"] = [1.0]
        text = "hosts without swap space, and nothing else takes memory back: the config asks for no overcommit"
        found.doubts.append(Note(cluster or found.source, text, "set swap_size to see what swap would allow"))
    head = [
        f"# {found.source}{'' if cluster is None else f', cluster {cluster}'}: {n_hosts} hosts, {len(vms)} VMs.",
        "# What was assumed is in import-report.html. Swap devices are not in an inventory: set what your hosts have.",
    ]
    if is_reduced:
        head.append(
            "# For so many hosts, few ratios and replicates: an answer within minutes. More narrow its interval."
        )
    body = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
    return "\n".join(head) + "\n" + body


def _pages_per_vm(vms: Sequence[VmRecord], window: Window) -> int:
    """Count the pages of a VM of mean size that make one page, read in a tick, small against the objective.

    What a page stands for is rounded to a power of two: it may be larger by the root of 2 than asked for.
    """
    mean_bytes = sum(vm.configured_bytes for vm in vms) / len(vms)
    largest_bytes = COARSEST_STEP * SWAP_IN_BYTES_PER_S * window.tick_s
    return 1 << math.ceil(math.log2(math.sqrt(2.0) * mean_bytes / largest_bytes + 1.0))


def _sweep(n_hosts: int, has_today: bool) -> tuple[dict[str, Any], bool]:
    """Choose axes: all of them, or for large fleets as many as simulate within minutes; and whether they are fewer."""
    today = ["as-is"] if has_today else []
    placements = [*today, "first-fit", "worst-fit"]
    if n_hosts * len(RATIOS) * len(placements) * REPLICATES <= MOST_HOST_RUNS:
        return {"overcommit_ratio": list(RATIOS), "placement": placements, "replicates": REPLICATES}, False
    placements = [*today, "worst-fit"]
    fitting = MOST_HOST_RUNS // (n_hosts * len(FEW_RATIOS) * len(placements))
    replicates = min(max(fitting, LEAST_REPLICATES), REPLICATES)
    return {"overcommit_ratio": list(FEW_RATIOS), "placement": placements, "replicates": replicates}, True


def _host_entry(host: FoundHost, vms: Sequence[VmRecord], found: Found) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": host.name, "count": 1, "memory": format_bytes_exact(host.memory_bytes or 0)}
    cores = host.cores
    if cores is None:
        vcpus = sum(vm.vcpus or 0 for vm in vms if vm.host == host.name)
        cores = max(1, round(_UNKNOWN_CORES_PER_VCPU * vcpus))
        found.assumptions.append(f"host {host.name} does not tell its cores: taken as {cores}, a quarter of its vCPUs")
    entry["cores"] = cores
    if host.numa_nodes is not None and host.numa_nodes > cores:
        text = "has more NUMA nodes than cores, by its source: taken as one node"
        found.doubts.append(Note(f"{host.place} ({host.name})", text, "set numa_nodes"))
    elif host.numa_nodes is not None and host.numa_nodes > 1:
        entry["numa_nodes"] = host.numa_nodes
    if host.reserved_bytes is not None:
        entry["reserved"] = format_bytes_exact(host.reserved_bytes)
    preset = cpu_preset(host.cpu_model)
    if preset is None:
        told = f'"{host.cpu_model}"' if host.cpu_model else "an unknown CPU"
        assumption = f"hosts with {told} take the page-walk costs of {DEFAULT_CPU}"
        if assumption not in found.assumptions:
            found.assumptions.append(assumption)
    entry["cpu"] = preset or DEFAULT_CPU
    entry["swap"] = "nvme"
    if host.swap_bytes is not None:
        entry["swap_size"] = format_bytes_exact(host.swap_bytes)
    return entry


def _rules(found: Found, cluster: str | None, hosts: Sequence[FoundHost], vms: Sequence[VmRecord]) -> dict[str, Any]:
    """Return the config's `placement_rules` of a cluster."""
    rules: dict[str, Any] = {}
    names, host_names = {vm.name for vm in vms}, {host.name for host in hosts}
    for rule in found.rules:
        entry = _rule_entry(rule, names, host_names, found)
        if entry is not None:
            rules.setdefault(_RULE_KEYS[rule.kind], []).append(entry)
    mine = [item for item in found.clusters if cluster is None or item.name == cluster]
    for item in mine:
        if item.is_balanced is False:
            text = (
                "nothing moves VMs to balance load there (DRS is off): placements other than as-is take moving by hand"
            )
            found.doubts.append(Note(item.place, text))
    failover = max((item.failover_hosts or 0 for item in mine), default=0)
    if failover >= len(hosts) > 0:
        text = f"asks for {failover} spare of {len(hosts)} hosts that take VMs, which leaves none: no reserve is kept"
        found.doubts.append(Note(", ".join(item.place for item in mine), text, "set placement_rules.ha_reserve"))
    elif failover:
        rules["ha_reserve"] = {"hosts": failover}
    return rules


def _rule_entry(rule: FoundRule, names: set[str], host_names: set[str], found: Found) -> dict[str, Any] | None:
    vms = [name for name in rule.vms if name in names]
    hosts = [name for name in rule.hosts if name in host_names]
    needs = 1 if rule.kind is RuleKind.MUST_RUN_ON else 2
    if not set(rule.vms) & names:
        return None  # of another cluster
    if len(vms) < needs or (rule.kind is RuleKind.MUST_RUN_ON and not hosts):
        found.skipped.append(Note(rule.place, f'rule "{rule.name}" is left with too few running VMs or hosts'))
        return None
    return {"vms": vms, "hosts": hosts} if rule.kind is RuleKind.MUST_RUN_ON else {"vms": vms}
