"""Workbooks as RVTools writes them, made for tests: headers of version 4, values by hand."""

import datetime
import zipfile

import xlsxwriter

INFO = [
    "VM", "Powerstate", "Template", "SRM Placeholder", "Config status", "DNS Name", "Connection state", "CPUs",
    "Memory", "Active Memory", "NICs", "Disks", "Resource pool", "Folder", "vApp", "Provisioned MiB", "In Use MiB",
    "Unshared MiB", "Cluster rule(s)", "Cluster rule name(s)", "Annotation", "Owner", "Datacenter", "Cluster", "Host",
    "OS according to the configuration file", "OS according to the VMware Tools", "VM ID", "SMBIOS UUID", "VM UUID",
    "VI SDK Server type", "VI SDK Server",
]  # fmt: skip
MEMORY = [
    "VM", "Powerstate", "Template", "SRM Placeholder", "Size MiB", "Memory Reservation Locked To Max", "Overhead",
    "Max", "Consumed", "Consumed Overhead", "Private", "Shared", "Swapped", "Ballooned", "Active", "Entitlement",
    "DRS Entitlement", "Level", "Shares", "Reservation", "Limit", "Hot Add", "Annotation", "Owner", "Datacenter",
    "Cluster", "Host", "Folder", "VM ID", "VM UUID", "VI SDK Server",
]  # fmt: skip
HOST = [
    "Host", "Datacenter", "Cluster", "Config status", "in Maintenance Mode", "in Quarantine Mode", "CPU Model",
    "Speed", "# CPU", "Cores per CPU", "# Cores", "CPU usage %", "# Memory", "Memory Tiering Type", "Memory usage %",
    "# VMs total", "# VMs", "# vCPUs", "vRAM", "VM Used memory", "VM Memory Swapped", "VM Memory Ballooned",
    "ESX Version", "VI SDK Server",
]  # fmt: skip
CLUSTER = [
    "Name", "Config status", "NumHosts", "TotalCpu", "TotalMemory", "Effective Memory", "HA enabled",
    "Failover Level", "AdmissionControlEnabled", "DRS enabled", "DRS default VM behavior", "VI SDK Server",
]  # fmt: skip
POOL = [
    "Resource Pool name", "Resource Pool path", "# VMs", "Mem Configured", "Mem limit", "Mem reservation",
    "Mem level", "Mem shares", "QS compressedMemory",
]  # fmt: skip
TOOLS = ["VM", "Tools", "VM UUID"]
META = ["RVTools major version", "RVTools version", "xlsx creation datetime", "Server"]
HEADERS = {"vInfo": INFO, "vMemory": MEMORY, "vHost": HOST, "vCluster": CLUSTER, "vRP": POOL, "vTools": TOOLS}
CPU_MODEL = "Intel(R) Xeon(R) Gold 6430"


def vm(name, number, **changed):
    """Return a VM of 4 GiB on esx-1 as its cells in vInfo and vMemory, by header."""
    cells = {
        "VM": name, "Powerstate": "poweredOn", "Template": "False", "SRM Placeholder": "False",
        "Connection state": "connected", "CPUs": 2, "Memory": 4096, "Active Memory": 400, "Resource pool":
        "/dc/c1/Resources", "Provisioned MiB": 99999, "In Use MiB": 77777, "Datacenter": "dc", "Cluster": "c1",
        "Host": "esx-1", "OS according to the configuration file": "Debian", "VM ID": f"vm-{number}",
        "SMBIOS UUID": f"4200-{number}", "VM UUID": f"5000-{number}", "VI SDK Server": "vc1", "Size MiB": 4096,
        "Memory Reservation Locked To Max": "False", "Overhead": 50, "Consumed": 3040, "Consumed Overhead": 40,
        "Shared": 100, "Swapped": 0, "Ballooned": 0, "Active": 400, "Shares": 40960, "Reservation": 0, "Limit": -1,
        "Tools": "toolsOk",
    }  # fmt: skip
    return cells | {key.replace("_", " "): value for key, value in changed.items()}


def host(name, **changed):
    """Return a host of 64 GiB as its cells by header."""
    cells = {
        "Host": name, "Datacenter": "dc", "Cluster": "c1", "in Maintenance Mode": "False", "in Quarantine Mode":
        "False", "CPU Model": CPU_MODEL, "# CPU": 2, "Cores per CPU": 16, "# Cores": 32, "# Memory": 65536,
        "Memory Tiering Type": "noTiering", "Memory usage %": 25, "# VMs total": 3, "# VMs": 2, "vRAM": 8192,
        "VM Used memory": 800, "VM Memory Swapped": 0, "VM Memory Ballooned": 0, "ESX Version":
        "VMware ESXi 8.0.3 build-24022510", "VI SDK Server": "vc1",
    }  # fmt: skip
    return cells | changed


def cluster(name="c1", **changed):
    """Return a cluster of one host of 64 GiB, as its cells by header; its memory in bytes."""
    cells = {
        "Name": name, "NumHosts": 1, "TotalMemory": 65536 * 1024**2, "HA enabled": "True", "Failover Level": 1,
        "AdmissionControlEnabled": "True", "DRS enabled": "True", "DRS default VM behavior": "fullyAutomated",
    }  # fmt: skip
    return cells | changed


def tabs(vms=None, hosts=None, clusters=None, pools=()):
    """Return tabs as header and rows: two VMs on, one off, one host, one cluster."""
    off = vm("old", 3, Powerstate="poweredOff", Consumed=0, Consumed_Overhead=0, Active=0)
    vms = [vm("web", 1), vm("db", 2), off] if vms is None else vms
    hosts = [host("esx-1")] if hosts is None else hosts
    clusters = [cluster()] if clusters is None else clusters
    rows = {"vInfo": vms, "vMemory": vms, "vHost": hosts, "vCluster": clusters, "vRP": list(pools), "vTools": vms}
    return {
        name: [HEADERS[name], *([cells.get(column, "") for column in HEADERS[name]] for cells in listed)]
        for name, listed in rows.items()
        if name != "vRP" or listed
    }


def write_book(path, sheets=None, taken=None, edit=None):
    """Write a workbook. `edit` is called with the xlsxwriter workbook and its sheets by name before it is closed."""
    sheets = tabs() if sheets is None else sheets
    if taken is not None:
        sheets = {**sheets, "vMetaData": [META, ["4.7", "4.7.1.4", taken, "vc1"]]}
    with xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd hh:mm:ss"}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for row_idx, row in enumerate(rows):
                for column, value in enumerate(row):
                    if isinstance(value, datetime.datetime):
                        sheet.write_datetime(row_idx, column, value)
                    elif value != "":
                        sheet.write(row_idx, column, value)
        if edit is not None:
            edit(book, {sheet.name: sheet for sheet in book.worksheets()})
    return path


def csv_text(rows, separator=","):
    """Write rows as RVTools does."""

    def cell(value):
        text = str(value)
        quoted = text.replace('"', '""')
        return f'"{quoted}"' if any(mark in text for mark in (separator, '"', "\n")) else text

    return "".join(separator.join(map(cell, row)) + "\r\n" for row in rows)


def write_csvs(folder, sheets=None, separator=",", encoding="utf-8"):
    """Write a CSV file per tab."""
    folder.mkdir(exist_ok=True)
    for name, rows in (tabs() if sheets is None else sheets).items():
        (folder / f"RVTools_tab{name}.csv").write_bytes(csv_text(rows, separator).encode(encoding))
    return folder


def rewrite_member(source, target, name, change):
    """Copy a zip file with one member changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.namelist():
            data = old.read(item)
            new.writestr(item, change(data) if item == name else data)
    return target
