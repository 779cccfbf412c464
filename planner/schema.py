"""Every column of the result tables: name, dtype, unit, meaning. Declared here once, stored in the Parquet files.

Rows of `hosts.parquet` are keyed by (scenario_id, replicate, host), rows of `vms.parquet` by (scenario_id, replicate,
vm). Columns marked `simulated` come from the host simulation, the others from the coordinator.
"""

from typing import NamedTuple

RESULTS_VERSION = 1
PAGES_UNIT = "4 KiB pages"
SLOWDOWN_BIN_EDGES_PER_DECADE = 8
SLOWDOWN_DECADES = (-5, 3)
N_SLOWDOWN_BINS = SLOWDOWN_BIN_EDGES_PER_DECADE * (SLOWDOWN_DECADES[1] - SLOWDOWN_DECADES[0]) + 2
"""Bins of (slowdown - 1): one below 1e-5, eight per decade up to 1e3, one above."""


class Column(NamedTuple):
    """One column. dtype: an Arrow type name ("int64", "float64", "string", "bool", "list<int64>")."""

    name: str
    dtype: str
    unit: str
    meaning: str
    simulated: bool = True


_KEYS = (
    Column("scenario_id", "int64", "", "Scenario, position in the manifest's list", simulated=False),
    Column("replicate", "int64", "", "Replicate", simulated=False),
    Column("host", "string", "", "Name of the host", simulated=False),
)

HOST_COLUMNS = (
    *_KEYS,
    Column("status", "string", "", '"ok", or why the host\'s simulation failed', simulated=False),
    Column("vms", "int64", "", "VMs placed on the host, most at once", simulated=False),
    Column("configured_bytes", "int64", "bytes", "Configured memory of its VMs, largest sum", simulated=False),
    Column(
        "usable_bytes",
        "int64",
        "bytes",
        "RAM less what the hypervisor, minFree, page sharing and VM overhead take",
        simulated=False,
    ),
    Column("vcpus", "int64", "", "Sum of the vCPUs of its VMs", simulated=False),
    Column("granted_bytes_mean", "float64", "bytes", "Guest memory touched since power-on, mean over ticks"),
    Column("granted_bytes_max", "int64", "bytes", "... largest over ticks"),
    Column("active_bytes_mean", "float64", "bytes", "Guest memory touched within a tick, mean over ticks"),
    Column("active_bytes_max", "int64", "bytes", "... largest over ticks"),
    Column("consumed_bytes_mean", "float64", "bytes", "Host memory in use for guest memory, mean over ticks"),
    Column("free_bytes_min", "int64", "bytes", "Free host memory, smallest over ticks"),
    Column("private_bytes_mean", "float64", "bytes", "Guest memory with a frame of its own, mean over ticks"),
    Column("shared_bytes_mean", "float64", "bytes", "Guest memory mapped to shared frames, mean over ticks"),
    Column("shared_saved_bytes_mean", "float64", "bytes", "Host memory saved by page sharing, mean over ticks"),
    Column("ballooned_bytes_mean", "float64", "bytes", "Guest memory in balloons, mean over ticks"),
    Column("evicted_bytes_mean", "float64", "bytes", "Guest memory paged out or dropped by guests, not ballooned"),
    Column("compressed_bytes_mean", "float64", "bytes", "Guest memory compressed in RAM, mean over ticks"),
    Column("compressed_saved_bytes_mean", "float64", "bytes", "Host memory saved by compression, mean over ticks"),
    Column("swapped_bytes_mean", "float64", "bytes", "Guest memory on the swap device, mean over ticks"),
    Column("swapped_bytes_max", "int64", "bytes", "... largest over ticks"),
    Column("swap_in_bytes_per_s_mean", "float64", "bytes/s", "Read from the swap device, mean over ticks"),
    Column("swap_in_bytes_per_s_p99", "float64", "bytes/s", "... 99th percentile over ticks"),
    Column("swap_in_bytes_per_s_max", "float64", "bytes/s", "... largest over ticks"),
    Column("swap_out_bytes_per_s_mean", "float64", "bytes/s", "Written to the swap device, mean over ticks"),
    Column("guest_paging_bytes_per_s_mean", "float64", "bytes/s", "Read back by guests after ballooning, mean"),
    Column("guest_write_bytes_per_s_mean", "float64", "bytes/s", "Written by guests to give memory up, mean"),
    Column("denied_bytes", "int64", "bytes", "Guest memory that could not be backed: nothing left to reclaim"),
    Column("cow_break_bytes_per_s_mean", "float64", "bytes/s", "Shared pages copied because they were written to"),
    Column("pages_shared_mean", "float64", PAGES_UNIT, "Frames that merged pages share, mean over ticks"),
    Column("pages_sharing_mean", "float64", PAGES_UNIT, "Further pages mapped to them, mean over ticks"),
    Column("pages_unshared_mean", "float64", PAGES_UNIT, "KSM: pages unchanged but without partner, mean over ticks"),
    Column("pages_volatile_mean", "float64", PAGES_UNIT, "KSM: pages changed, new or skipped, mean over ticks"),
    Column("pages_skipped", "int64", PAGES_UNIT, "KSM: visits that smart_scan saved, from start to end"),
    Column("pages_scanned", "int64", PAGES_UNIT, "Visits of the scanner, from start to end"),
    Column("full_scans", "int64", "", "KSM: passes over all pages, from start to end"),
    Column("ksm_zero_pages_mean", "float64", PAGES_UNIT, "KSM: pages merged with the kernel's zero page, mean"),
    Column("stable_node_chains_mean", "float64", "", "KSM: contents held in more than one frame, mean over ticks"),
    Column("stable_node_dups_mean", "float64", PAGES_UNIT, "KSM: frames of such contents, mean over ticks"),
    Column("general_profit_bytes_mean", "float64", "bytes", "Saved by page sharing less the scanner's own, mean"),
    Column("sharing_metadata_bytes_mean", "float64", "bytes", "Memory of the scanner's records, mean over ticks"),
    Column("scanner_cores_mean", "float64", "cores", "Cores that the scanner keeps busy, mean over ticks"),
    Column("slo_broken_s", "float64", "s", "Time in runs of ticks that break the objective"),
    Column("slo_is_broken", "bool", "", "Whether it broke the objective, denied memory, or killed or refused a VM"),
    Column("slo_swap_in_is_broken", "bool", "", "Whether its swap-in alone broke the objective"),
    Column("state_high_s", "float64", "s", "Time in memory state high (none or light reclaim)"),
    Column("state_clear_s", "float64", "s", "Time in memory state clear"),
    Column("state_soft_s", "float64", "s", "Time in memory state soft"),
    Column("state_hard_s", "float64", "s", "Time in memory state hard"),
    Column("state_low_s", "float64", "s", "Time in memory state low"),
    Column("small_mapped_fraction_mean", "float64", "", "Granted memory mapped with 4 KiB pages, mean over ticks"),
    Column("translation_overhead_mean", "float64", "", "Time for nested page walks ÷ useful CPU time, mean over VMs"),
    Column("slowdown_mean", "float64", "", "Time needed ÷ without memory stalls, mean over ticks and VMs; 1 + parts"),
    Column("slowdown_translation_mean", "float64", "", "Part of slowdown_mean - 1: nested page walks"),
    Column("slowdown_swap_in_mean", "float64", "", "... waiting for the host's swap device"),
    Column("slowdown_decompress_mean", "float64", "", "... decompression, zram included"),
    Column("slowdown_guest_paging_mean", "float64", "", "... reads by guests from their own disks after ballooning"),
    Column("slowdown_cow_mean", "float64", "", "... copies of shared pages on writing"),
    Column("slowdown_denied_mean", "float64", "", "... vCPUs blocked for want of memory, and killed VMs"),
    Column("slowdown_direct_reclaim_mean", "float64", "", "... faults that had to reclaim a frame themselves"),
    Column("pressure_some_mean", "float64", "", "Time in which some vCPU stalls on host memory, mean over ticks"),
    Column("pressure_some_max", "float64", "", "... largest over ticks"),
    Column("pressure_full_mean", "float64", "", "Time in which some vCPU stalls and none does useful work, mean"),
    Column("pressure_full_max", "float64", "", "... largest over ticks"),
    Column("pressure_full_avg10_max", "float64", "", "... largest of its average over 10 s, as Linux's PSI shows it"),
    Column("pressure_full_avg60_max", "float64", "", "... over 60 s"),
    Column("pressure_full_avg300_max", "float64", "", "... over 300 s"),
    Column("pressure_over_limit_s", "float64", "s", "Time with full avg10 above 60 % for 30 s: systemd-oomd would act"),
    Column("killed_vms", "int64", "", "Times that a VM was killed for want of memory"),
    Column("refused_vms_max", "int64", "", "VMs that were not let on for want of memory or swap space, most at once"),
    Column("slowdown_histogram", "list<int64>", "VM-ticks", "VM-ticks by slowdown - 1, log bins (schema.py)"),
)

VM_COLUMNS = (
    *_KEYS[:2],
    Column("vm", "string", "", "Name of the VM", simulated=False),
    Column("host", "string", "", "Name of the host it was placed on", simulated=False),
    Column("configured_bytes", "int64", "bytes", "Configured memory", simulated=False),
    Column("on_s", "float64", "s", "Time in which it was on, on this host"),
    Column("granted_bytes_mean", "float64", "bytes", "Memory touched since power-on, mean over ticks"),
    Column("active_bytes_mean", "float64", "bytes", "Memory touched within a tick, mean over ticks"),
    Column("ballooned_bytes_mean", "float64", "bytes", "Memory in its balloon, mean over ticks"),
    Column("ballooned_bytes_max", "int64", "bytes", "... largest over ticks"),
    Column("swapped_bytes_mean", "float64", "bytes", "Memory swapped by the host, mean over ticks"),
    Column("swapped_bytes_max", "int64", "bytes", "... largest over ticks"),
    Column("shared_bytes_mean", "float64", "bytes", "Memory mapped to shared frames, mean over ticks"),
    Column("compressed_bytes_mean", "float64", "bytes", "Memory compressed in RAM, mean over ticks"),
    Column("swap_in_bytes_per_s_mean", "float64", "bytes/s", "Swapped in, mean over ticks"),
    Column("swap_in_bytes_per_s_max", "float64", "bytes/s", "... largest over ticks"),
    Column("guest_paging_bytes_per_s_mean", "float64", "bytes/s", "Read back by the guest after ballooning, mean"),
    Column("small_mapped_fraction_mean", "float64", "", "Granted memory mapped with 4 KiB pages, mean over ticks"),
    Column("translation_overhead_mean", "float64", "", "Time for nested page walks ÷ useful CPU time, mean over ticks"),
    Column("slowdown_mean", "float64", "", "Time needed ÷ time needed without memory stalls, mean over ticks"),
    Column("slowdown_p95", "float64", "", "... 95th percentile over ticks"),
    Column("slowdown_p99", "float64", "", "... 99th percentile over ticks"),
    Column("stall_swap_in_s", "float64", "s", "Stalled on host swap-in"),
    Column("stall_decompress_s", "float64", "s", "Stalled on decompression"),
    Column("stall_guest_paging_s", "float64", "s", "Stalled on guest paging caused by ballooning"),
    Column("stall_cow_s", "float64", "s", "Stalled on copy-on-write breaks"),
    Column("stall_denied_s", "float64", "s", "Blocked for want of memory, or down after it was killed"),
    Column("stall_direct_reclaim_s", "float64", "s", "Stalled on reclaiming a frame for its own fault"),
    Column("killed_count", "int64", "", "Times that it was killed for want of memory"),
    Column("refused_s", "float64", "s", "Time in which it was not let on for want of memory or swap space"),
)

TIMELINE_COLUMNS = (
    Column("tick", "int64", "", "Tick"),
    Column("state", "int64", "", "Memory state: 0 high, 1 clear, 2 soft, 3 hard, 4 low (docs/model/states.md)"),
    Column("granted_bytes", "int64", "bytes", "Guest memory touched since power-on"),
    Column("active_bytes", "int64", "bytes", "Guest memory touched within the tick"),
    Column("consumed_bytes", "int64", "bytes", "Host memory in use for guest memory"),
    Column("free_bytes", "int64", "bytes", "Free host memory"),
    Column("private_bytes", "int64", "bytes", "Guest memory with a frame of its own"),
    Column("shared_bytes", "int64", "bytes", "Guest memory mapped to shared frames"),
    Column("shared_saved_bytes", "int64", "bytes", "Host memory saved by page sharing"),
    Column("ballooned_bytes", "int64", "bytes", "Guest memory in balloons"),
    Column("evicted_bytes", "int64", "bytes", "Guest memory paged out or dropped by guests, not ballooned"),
    Column("compressed_bytes", "int64", "bytes", "Guest memory compressed in RAM"),
    Column("swapped_bytes", "int64", "bytes", "Guest memory on the swap device"),
    Column("swap_in_bytes", "int64", "bytes", "Read from the swap device in the tick"),
    Column("swap_out_bytes", "int64", "bytes", "Written to the swap device in the tick"),
    Column("guest_paging_bytes", "int64", "bytes", "Read back by guests in the tick after ballooning"),
    Column("denied_bytes", "int64", "bytes", "Guest memory that could not be backed in the tick"),
    Column("small_mapped_bytes", "int64", "bytes", "Granted memory mapped with 4 KiB pages"),
    Column("cow_break_bytes", "int64", "bytes", "Shared pages copied in the tick because they were written to"),
    Column("compressed_held_bytes", "int64", "bytes", "Host memory that holds the compressed guest memory"),
    Column("guest_write_bytes", "int64", "bytes", "Written by guests to their own disks in the tick to give memory up"),
    Column("pages_shared", "int64", PAGES_UNIT, "Frames that merged pages share (KSM's pages_shared)"),
    Column("pages_sharing", "int64", PAGES_UNIT, "Further pages mapped to them: what sharing saves"),
    Column("pages_unshared", "int64", PAGES_UNIT, "KSM: pages unchanged but without partner, scanned again and again"),
    Column("pages_volatile", "int64", PAGES_UNIT, "KSM: pages under scan that change too fast, are new or skipped"),
    Column("pages_skipped", "int64", PAGES_UNIT, "KSM: visits that smart_scan saved, since the start"),
    Column("pages_scanned", "int64", PAGES_UNIT, "Visits of the scanner, since the start"),
    Column("full_scans", "int64", "", "KSM: passes over all pages, since the start"),
    Column("ksm_zero_pages", "int64", PAGES_UNIT, "KSM: pages merged with the kernel's zero page"),
    Column("stable_node_chains", "int64", "", "KSM: contents held in more than one frame (max_page_sharing)"),
    Column("stable_node_dups", "int64", PAGES_UNIT, "KSM: frames of such contents"),
    Column("general_profit_bytes", "int64", "bytes", "Memory saved by page sharing less the scanner's own"),
    Column("sharing_metadata_bytes", "int64", "bytes", "Memory of the scanner's records"),
    Column("scanner_cpu_ns", "int64", "ns", "CPU time of the scanner in the tick"),
    Column("rebuilt_bytes", "int64", "bytes", "Memory of blocks that the host mapped with 2 MiB again in the tick"),
    Column("rebuild_unshared_bytes", "int64", "bytes", "... of it shared before, and copied"),
    Column("rebuild_read_bytes", "int64", "bytes", "... of it swapped before, and read from the swap device"),
    Column("killed", "int64", "", "VMs killed in the tick for want of memory"),
    Column("refused", "int64", "", "VMs that want to be on and are not let on"),
    Column("pressure_some", "int64", "1e-6", "Share of the tick in which some vCPU stalls on host memory"),
    Column("pressure_full", "int64", "1e-6", "Share of the tick in which some vCPU stalls and none does useful work"),
)
