"""Who is paged out: hit ratios under the independent reference model, of the stack's choice and of exact policies."""

from collections.abc import Mapping
from typing import Any

from planner.validation.base import Computed
from planner.validation.references import References, measure_exact_miss_ratio, measure_miss_ratio

_EXACT = "exact-"


def check_replacement(config: Mapping[str, Any]) -> Computed:
    """Replay Zipf references on a VM of `pages` pages: `hit_POLICY_ALPHA_SHARE` for each of `cases`.

    `cases`: lists of [exponent, share of the pages that fit]; `policies`: "lru" and "random" as the stack plays them,
    "exact-lru" and "exact-fifo" without the stack.
    """
    values: dict[str, float] = {}
    n_pages = int(config["pages"])
    for policy in config["policies"]:
        for alpha, share in config["cases"]:
            n_frames = round(share * n_pages)
            # Least recently used is to the tick: a tick must be short against the time that a page stays.
            references = References(n_pages, n_frames, float(alpha), per_tick=max(1, min(16, n_frames // 50)))
            if policy.startswith(_EXACT):
                missed = measure_exact_miss_ratio(references, policy.removeprefix(_EXACT))
            else:
                missed = measure_miss_ratio(references, policy)
            values[f"hit_{policy}_{alpha}_{share}"] = 1.0 - missed
    return Computed(values)


CHECKS = {"replacement": check_replacement}
