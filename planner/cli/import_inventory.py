"""`planner import KIND` for inventories of hypervisors and their managers: files, or a live source, only read."""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from planner.cli.import_target import (
    Read,
    Target,
    ask_secret,
    check_one_of,
    import_inventory,
    memory_bytes,
    takes_target,
)
from planner.errors import InputError

if TYPE_CHECKING:
    from planner.inventory.found import Found
    from planner.inventory.progress import Progress

Sources = Annotated[
    list[Path] | None, typer.Argument(metavar="[SOURCE]...", help="Files or directories; several are one fleet.")
]
CaFile = Annotated[Path | None, typer.Option(help="Certificates to trust instead of the usual ones.")]


def _of_files(name: str, sources_help: str, about: str) -> Callable[..., None]:
    """Make the command of a kind that is read from files alone, by `read_NAME` of `planner.inventory.NAME`."""

    def command(
        sources: Annotated[list[Path], typer.Argument(metavar="SOURCE...", help=sources_help)], target: Target
    ) -> None:
        reader: Any = getattr(import_module(f"planner.inventory.{name}"), f"read_{name}")
        import_inventory(target, lambda progress: reader(sources, progress))

    command.__name__, command.__doc__ = name, about
    return takes_target(command)


openstack = _of_files(
    "openstack",
    "JSON files, or directories of them.",
    "Import an OpenStack cloud: what openstack ... list/show -f json prints, or answers of Nova and placement.",
)
kubevirt = _of_files(
    "kubevirt",
    "YAML or JSON files, or directories.",
    "Import KubeVirt VMs: what kubectl get vm, vmi, nodes, virtualmachineclusterinstancetypes -A -o yaml prints.",
)


@takes_target
def rvtools(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCE...", help="Workbooks, CSV files, zips or directories; one per snapshot."),
    ],
    target: Target,
    percentile: Annotated[
        float,
        typer.Option(
            min=1.0, max=100.0, help="Of several snapshots, take a VM's memory at this percentile; 100: the largest."
        ),
    ] = 100.0,
) -> None:
    """Import VMware inventories exported by RVTools, as a workbook or a CSV file per tab; several are snapshots."""
    from planner.inventory.rvtools import read_rvtools

    import_inventory(target, lambda progress: read_rvtools(sources, progress, percentile))


@takes_target
def vsphere(
    target: Target,
    url: Annotated[str, typer.Option(help="vCenter or ESXi host, e.g. https://vcenter.example.org; read-only.")],
    username: Annotated[str, typer.Option(help="A user with the role Read-only; the password is asked for.")],
    ca_file: CaFile = None,
) -> None:
    """Import a live vCenter or ESXi host (needs pyVmomi: pip install planner[vsphere]).

    The password is taken from VSPHERE_PASSWORD, or asked for. It is not stored.
    """
    from planner.inventory.vsphere import read_vsphere
    from planner.inventory.vsphere_session import Login

    def read(progress: "Progress") -> "Found":
        password = ask_secret("VSPHERE_PASSWORD", f"Password of {username}")
        return read_vsphere(Login(url, username, password, ca_file), progress)

    import_inventory(target, read)


TraceSources = Annotated[
    list[Path], typer.Argument(metavar="SOURCE...", help="CSV files, plain or .gz, or directories of them.")
]


@takes_target
def azure(
    sources: TraceSources,
    target: Target,
    at: Annotated[float | None, typer.Option(help="Moment, s since the trace began; default: most VMs run.")] = None,
    largest_memory: Annotated[
        str | None, typer.Option(help='Memory of VMs in the open bucket, e.g. "128 GiB"; else they are left out.')
    ] = None,
) -> None:
    """Import the VM table of the Azure Public Dataset (V1, V2): the VMs of a moment; their demand is drawn."""
    from planner.inventory.azure import read_azure

    largest_bytes = memory_bytes("--largest-memory", largest_memory)
    import_inventory(target, lambda progress: read_azure(sources, at, largest_bytes, progress))


@takes_target
def google(
    sources: TraceSources,
    target: Target,
    machine_memory: Annotated[
        str, typer.Option(help='Memory of the largest machine, e.g. "256 GiB": 1.0 in the trace.')
    ],
    at: Annotated[float | None, typer.Option(help="Moment, s of the trace's time; default: its first usage.")] = None,
) -> None:
    """Import Google's cluster data (2011, 2019 as CSV): the tasks of a moment as VMs; their demand is drawn."""
    from planner.inventory.google import read_google

    machine_bytes = memory_bytes("--machine-memory", machine_memory) or 0
    import_inventory(target, lambda progress: read_google(sources, machine_bytes, at, progress))


@takes_target
def libvirt(
    target: Target,
    sources: Sources = None,
    uri: Annotated[str | None, typer.Option(help="Ask this libvirt instead, e.g. qemu:///system; read-only.")] = None,
) -> None:
    """Import KVM hosts: what virsh domstats, dommemstat, nodeinfo, nodememstats, dumpxml print, or a live libvirt."""
    from planner.inventory.libvirt import read_libvirt
    from planner.inventory.libvirt_live import read_libvirt_live

    check_one_of(sources, "--uri", uri)
    read: Read = (
        (lambda progress: read_libvirt_live(uri, progress))
        if uri is not None
        else (lambda progress: read_libvirt(sources or [], progress))
    )
    import_inventory(target, read)


@takes_target
def proxmox(
    target: Target,
    sources: Sources = None,
    url: Annotated[
        str | None, typer.Option(help="Ask this server instead, e.g. https://pve-1:8006; read-only.")
    ] = None,
    token_id: Annotated[str | None, typer.Option(help="API token, user@realm!name; its secret is asked for.")] = None,
    ca_file: CaFile = None,
) -> None:
    """Import a Proxmox VE cluster: what pvesh get ... --output-format json prints, or a live one.

    The token's secret is taken from PROXMOX_TOKEN_SECRET, or asked for. It is not stored.
    """
    from planner.inventory.proxmox import read_proxmox
    from planner.inventory.proxmox_live import read_proxmox_live

    check_one_of(sources, "--url", url)

    def read(progress: "Progress") -> "Found":
        if url is None:
            return read_proxmox(sources or [], progress)
        if token_id is None:
            raise InputError("--token-id", "is missing", "give the API token's name: user@realm!name")
        secret = ask_secret("PROXMOX_TOKEN_SECRET", "Secret of the API token")
        return read_proxmox_live(url, token_id, secret, True if ca_file is None else str(ca_file), progress)

    import_inventory(target, read)


@takes_target
def prometheus(  # noqa: PLR0913, PLR0917 (an argument is an option of the command here)
    target: Target,
    sources: Sources = None,
    url: Annotated[str | None, typer.Option(help="Ask this server instead, e.g. http://prometheus:9090.")] = None,
    exporter: Annotated[str | None, typer.Option(help="Exporter of the VMs' metrics; default: found by them.")] = None,
    days: Annotated[float, typer.Option(min=0.01, max=3650.0, help="Days up to now to ask a server for.")] = 7.0,
    tick: Annotated[str | None, typer.Option(help='Time between samples, e.g. "5 min"; default: detected.')] = None,
    matchers: Annotated[str, typer.Option(help="Label matchers that select VMs and hosts, e.g. 'job=\"prod\"'.")] = "",
    username: Annotated[
        str | None, typer.Option(help="User, if the server asks for one; its password is asked for.")
    ] = None,
    ca_file: CaFile = None,
) -> None:
    """Import what Prometheus recorded of VMs and hosts: saved answers of its API, or a server.

    A bearer token is taken from PROMETHEUS_TOKEN, a user's password from PROMETHEUS_PASSWORD or asked for. Neither is
    stored.
    """
    import time

    from planner.cli.import_traces import tick_seconds
    from planner.inventory.prometheus import read_prometheus, read_prometheus_live
    from planner.inventory.prometheus_http import PrometheusOptions

    check_one_of(sources, "--url", url)
    password = None
    if url is not None and username is not None:
        password = ask_secret("PROMETHEUS_PASSWORD", f"Password of {username}")
    end_s = int(time.time())
    options = PrometheusOptions(
        exporter=exporter,
        tick_s=tick_seconds(tick),
        start_s=end_s - round(days * 86_400),
        end_s=end_s,
        matchers=matchers,
        username=username,
        password=password,
        token=os.environ.get("PROMETHEUS_TOKEN") if url is not None else None,
        ca_file=ca_file,
    )
    read: Read = (
        (lambda progress: read_prometheus_live(url, options, progress))
        if url is not None
        else (lambda progress: read_prometheus(sources or [], options, progress))
    )
    import_inventory(target, read)
