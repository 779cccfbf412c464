"""The manifest: what was run, with what, and how long it took."""

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from planner import __version__
from planner.config.spec import PlannerConfig
from planner.sweep.plan import PlacedScenario
from planner.units import PAGE_BYTES
from planner.workload.source import DemandSource

_PACKAGES = ("numpy", "numba", "pandas", "pyarrow", "pydantic", "ray", "plotly")
_NAMED_UNPLACED = 20


def config_hash(config: PlannerConfig) -> str:
    """Hash a resolved config: equal configs, however written, have equal hashes."""
    text = json.dumps(config.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def package_versions() -> dict[str, str]:
    """Return the versions of Python and the packages that results depend on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def scenario_entry(item: PlacedScenario) -> dict[str, Any]:
    """Describe a placed scenario, with the reasons of VMs that found no host (all counted, some named)."""
    reasons: dict[str, int] = {}
    for vm in item.unplaced:
        reasons[vm.kind] = reasons.get(vm.kind, 0) + 1
    return {
        "id": item.scenario.id,
        "overcommit_ratio": item.scenario.overcommit_ratio,
        "placement": item.scenario.placement,
        "tail": item.scenario.tail,
        "axes": dict(item.scenario.axes),
        "role": item.scenario.role,
        "bound_confidence": item.scenario.bound_confidence,
        "hosts_used": len(item.hosts),
        "hosts_offered": sum(group.count for group in item.config.fleet.hosts),
        "vms_placed": item.vms_placed,
        "vms_in_all": item.vms_in_all,
        "hosts_used_mean": item.hosts_used_mean,
        "unplaced_vms": len(item.unplaced),
        "unplaced_reasons": reasons,
        "unplaced_names": [vm.name for vm in item.unplaced[:_NAMED_UNPLACED]],
        "unplaced_sentences": [vm.sentence for vm in item.unplaced[:_NAMED_UNPLACED]],
        "broken_rules": list(item.warnings),
        "hosts_bound": item.bound.hosts if item.bound and not item.unplaced else None,
        "hosts_bound_relaxes": list(item.bound.relaxed) if item.bound and not item.unplaced else [],
        "history": item.history,
    }


def fidelity_entry(placed: tuple[PlacedScenario, ...]) -> dict[str, Any]:
    """Describe how finely memory was sampled."""
    scales = sorted({item.page_scale for item in placed})
    return {
        "pages_per_vm": placed[0].config.fidelity.pages_per_vm,
        "page_scale": scales[0] if len(scales) == 1 else scales,
        "bytes_per_sampled_page": [scale * PAGE_BYTES for scale in scales],
        "is_exact": scales == [1],
    }


def _origin_entry(source: DemandSource) -> dict[str, Any]:
    info = source.origin()
    if info is None:
        return {}
    told = {name: list(getattr(info, name)) for name in ("assumptions", "warnings")}
    return {"origin": {"source": info.source, "acknowledgement": info.acknowledgement, **told}}


def build_manifest(
    config: PlannerConfig, placed: tuple[PlacedScenario, ...], source: DemandSource, run: Mapping[str, Any]
) -> dict[str, Any]:
    """Build the manifest.

    Parameters
    ----------
    placed : tuple of PlacedScenario
        All scenarios, in the order of their ids; at least one.
    source : DemandSource
        Says what differs between replicates.
    run : mapping
        What only the coordinator knows: times, executor, failures, time lines.
    """
    return {
        "config_hash": config_hash(config),
        "planner_version": __version__,
        "seed": config.seed,
        "question": config.question,
        "versions": package_versions(),
        "fidelity": fidelity_entry(placed),
        "replicate_meaning": source.replicate_meaning(),
        "independent_replicates": source.independent_replicates(),
        **_origin_entry(source),
        **run,
        "scenarios": [scenario_entry(item) for item in placed],
    }
