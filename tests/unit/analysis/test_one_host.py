"""What one host runs into first: the sentence names the cause, the worst before the others."""

import pytest

from planner.analysis.one_host import what_binds
from planner.config.spec import SloSpec

QUIET = {"refused_vms_max": 0, "killed_vms": 0, "denied_bytes": 0, "slo_is_broken": True}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"refused_vms_max": 1, "killed_vms": 3, "denied_bytes": 4096}, "VMs are not let on, up to 1 VM at once"),
        ({"killed_vms": 3, "denied_bytes": 4096}, "VMs were killed 3 times"),
        ({"denied_bytes": 4096}, "4 KiB could not be backed"),
        ({"slo_swap_in_is_broken": True, "slo_broken_s": 600.0}, "the host swaps in more than"),
        ({"slo_swap_in_is_broken": False, "slo_broken_s": 600.0}, "has guests that read back more than 2 MiB/s"),
    ],
)
def test_the_cause_is_named(row, words):
    assert words in what_binds(QUIET | row, SloSpec(guest_paging="2 MiB/s"))
