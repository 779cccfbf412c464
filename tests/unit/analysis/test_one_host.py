"""What one host runs into first: the sentence names the cause, the worst before the others."""

import pytest

from planner.analysis.one_host import what_binds
from planner.config.slo import SloSpec

QUIET = {"refused_vms_max": 0, "killed_vms": 0, "denied_bytes": 0, "slo_is_broken": True}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"refused_vms_max": 1, "killed_vms": 3, "denied_bytes": 4096}, "VMs are not let on, up to 1 VM at once"),
        ({"killed_vms": 3, "denied_bytes": 4096}, "VMs were killed 3 times"),
        ({"denied_bytes": 4096}, "4 KiB could not be backed"),
        (
            {"slo_broken_by": "swap_in", "slo_broken_s": 600.0},
            "the host swaps in more than 1 MiB/s for too long, 10 min",
        ),
        ({"slo_broken_by": "guest_paging", "slo_broken_s": 60.0}, "has guests that read back more than 2 MiB/s"),
        ({"slo_broken_by": "slowdown_p99", "slo_broken_s": 0.0}, "slows VMs down more than 1.1 times at the 99th perc"),
        (
            {"slo_broken_by": "pressed; vms_affected", "slo_broken_s": 900.0},
            "spends more than 10 min in state hard or low, has any VM affected",
        ),
    ],
)
def test_the_cause_is_named(row, words):
    slo = {"guest_paging": "2 MiB/s", "slowdown_p99": 1.1, "pressed": "10 min", "vms_affected": "0 %"}
    assert words in what_binds(QUIET | row, SloSpec.model_validate(slo))
