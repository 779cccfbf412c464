"""An RVTools workbook of 300 hosts and 10,000 VMs: to a config, and (size full) to the report of its sweep.

    python -m benchmarks.import_fleet

Wall time of the commands as a user runs them. The workbook has as many columns as RVTools 4.7 writes. Reference: the
cells of the same workbook read by python-calamine alone.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import python_calamine
import xlsxwriter

from benchmarks.figures import Figure, Measured, Reference, run_benchmark

FLEETS = {"tiny": (3, 60), "usual": (300, 10_000), "full": (300, 10_000)}
IMPORT_GOAL_S, REPORT_GOAL_S = 10.0, 300.0
HOSTS_PER_CLUSTER = 300
COLUMNS = {"vInfo": 98, "vMemory": 34, "vHost": 70}
MODELS = ("Intel(R) Xeon(R) Gold 6430", "AMD EPYC 9354 32-Core Processor")
PLANNER = (sys.executable, "-c", "import sys; from planner.cli.main import main; sys.exit(main())")


def measure(size):
    """Import the workbook, and in the full size sweep what came of it."""
    n_hosts, n_vms = FLEETS[size]
    with tempfile.TemporaryDirectory() as folder:
        book, fleet = Path(folder) / "fleet.xlsx", Path(folder) / "fleet"
        write_workbook(book, n_hosts, n_vms)
        cells = Reference("the cells read alone", time_of(lambda: read_cells(book)), "s")
        import_s = time_of(lambda: planner("import", "rvtools", book, "--out", fleet))
        name = f"{n_hosts} hosts, {n_vms:,} VMs"
        figures = [Figure(f"RVTools workbook to fleet.yaml, {name}", import_s, "s", cells, at_most=IMPORT_GOAL_S)]
        if size == "full":
            report_s = time_of(lambda: planner("sweep", fleet / "fleet.yaml", "--out", Path(folder) / "run"))
            figures.append(Figure(f"its fleet.yaml to the report, {name}", report_s, "s", cells, at_most=REPORT_GOAL_S))
    return Measured(figures, {})


def planner(*words):
    """Run the planner; its messages stay on stderr."""
    subprocess.run([*PLANNER, *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def time_of(work):
    """Return the wall time of some work. [s]"""
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s


def read_cells(book):
    """Read every cell of every tab."""
    workbook = python_calamine.load_workbook(str(book))
    for name in workbook.sheet_names:
        workbook.get_sheet_by_name(name).to_python()


def write_workbook(path, n_hosts, n_vms):
    """Write a workbook: VMs of 8 GiB, 70 % consumed, spread over hosts of 512 GiB; some are off."""
    hosts = [(f"esx-{number:03}", f"c{number // HOSTS_PER_CLUSTER}") for number in range(n_hosts)]
    on = [number for number in range(n_vms) if number % 20]
    info = [
        [
            f"vm-{n // 8:05}-{n % 8}",
            "poweredOn" if n % 20 else "poweredOff",
            "False",
            4,
            8192,
            *hosts[n % n_hosts],
            f"id-{n}",
        ]
        for n in range(n_vms)
    ]
    memory = [
        [
            f"vm-{n // 8:05}-{n % 8}",
            8192,
            90,
            5700 + n % 97,
            60,
            300,
            0,
            0,
            300 + 13 * (n % 113),
            81920,
            0,
            -1,
            f"id-{n}",
        ]
        for n in on
    ]
    rows = [[name, group, MODELS[n % 2], 2, 64, 524_288, n_vms // n_hosts] for n, (name, group) in enumerate(hosts)]
    clusters = sorted({group for _, group in hosts})
    tabs = {
        "vInfo": (["VM", "Powerstate", "Template", "CPUs", "Memory", "Host", "Cluster", "VM UUID"], info),
        "vMemory": (
            [
                "VM", "Size MiB", "Overhead", "Consumed", "Consumed Overhead", "Shared", "Swapped", "Ballooned",
                "Active", "Shares", "Reservation", "Limit", "VM UUID",
            ],
            memory,
        ),
        "vHost": (["Host", "Cluster", "CPU Model", "# CPU", "# Cores", "# Memory", "# VMs total"], rows),
        "vCluster": (["Name", "NumHosts", "HA enabled"], [[name, n_hosts, "False"] for name in clusters]),
    }  # fmt: skip
    with xlsxwriter.Workbook(str(path), {"constant_memory": True}) as book:
        for tab, (header, body) in tabs.items():
            write_tab(book.add_worksheet(tab), tab, header, body)


def write_tab(sheet, tab, header, body):
    """Write one tab, with custom columns before its last up to RVTools' number."""
    n_more = max(0, COLUMNS.get(tab, 0) - len(header))
    sheet.write_row(0, 0, [*header[:-1], *(f"Attribute {n}" for n in range(n_more)), header[-1]])
    for number, row in enumerate(body, start=1):
        sheet.write_row(number, 0, [*row[:-1], *["some text"] * n_more, row[-1]])


if __name__ == "__main__":
    run_benchmark(measure, __doc__)
