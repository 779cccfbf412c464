"""In which order the hosts of a replicate are simulated: those with the same VMs one after the other.

A simulation keeps what it has drawn of the VMs of its last hosts. Over the ratios of a sweep a VM is on many hosts, and
strategies that fill one host after the other put the same VMs together at every ratio. Changes no outcome.
"""

from collections.abc import Sequence

from planner.host.problem import HostProblem


def by_vms(problems: Sequence[HostProblem], positions: Sequence[int]) -> list[int]:
    """Order positions so that problems which share VMs are near each other.

    Notes
    -----
    VMs are ranked by when the problems, in the order given, first name them: scenario by scenario, and host by host in
    each. A problem stands where the median rank of its VMs does, so that a few VMs that filled up the gaps of other
    hosts do not move it. Time is linear in the VMs named.
    """
    rank: dict[int, int] = {}
    for position in positions:
        for vm in problems[position].vm_idx:
            rank.setdefault(vm, len(rank))

    def place(position: int) -> tuple[int, int]:
        ranks = sorted(rank[vm] for vm in problems[position].vm_idx)
        return (ranks[len(ranks) // 2] if ranks else -1), position

    return sorted(positions, key=place)
