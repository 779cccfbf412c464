"""A base for sources of the tests, which make up the demand of all their VMs at once."""


class WholeSource:
    """Cuts the rows asked for out of `whole(replicate)`, which gives the demand of all VMs."""

    def demand(self, replicate, vm_idx=None):
        demand = self.whole(replicate)
        return demand if vm_idx is None else demand.take(vm_idx)
