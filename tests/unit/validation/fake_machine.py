"""A made-up kernel in a folder: its KSM directory, memory and swap list, and settings that somebody had chosen."""

from planner.validation.live.machine import Machine

SETTINGS = {
    "run": "0",
    "advisor_mode": "none [scan-time]",
    "pages_to_scan": "123",
    "sleep_millisecs": "45",
    "use_zero_pages": "1",
    "smart_scan": "0",
}
AFTERWARDS = SETTINGS | {"advisor_mode": "scan-time"}


def build_machine(folder, shared=0, available_kib=8 << 20):
    ksm = folder / "sys" / "kernel" / "mm" / "ksm"
    ksm.mkdir(parents=True)
    for name, value in (SETTINGS | {"pages_shared": str(shared), "pages_sharing": "0"}).items():
        (ksm / name).write_text(f"{value}\n")
    proc = folder / "proc"
    (proc / "sys" / "vm").mkdir(parents=True)
    (proc / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {available_kib} kB\n")
    (proc / "swaps").write_text("Filename Type Size Used Priority\n")
    (folder / "cgroup").mkdir()
    return Machine(folder / "sys", proc, folder / "cgroup")


def settings_of(machine):
    return {name: (machine.ksm / name).read_text().strip() for name in SETTINGS}
