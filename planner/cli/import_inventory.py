"""`planner import KIND` for inventories of hypervisors and their managers: files, or a live source, only read."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from planner.errors import InputError

if TYPE_CHECKING:
    from planner.inventory.fleet_of import FleetOptions
    from planner.inventory.found import Found
    from planner.inventory.progress import Progress

Read = Callable[["Progress"], "Found"]

Sources = Annotated[
    list[Path] | None, typer.Argument(metavar="[SOURCE]...", help="Files or directories; several are one fleet.")
]
Out = Annotated[Path, typer.Option("--out", metavar="FLEET", help="Fleet directory to write.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a fleet directory that exists.")]
Grouping = Literal["names", "pools", "none"]
Groups = Annotated[
    Grouping,
    typer.Option(help="VMs whose demand moves together: named alike, of one pool (project, namespace), or none."),
]
HostMemory = Annotated[
    str | None, typer.Option(help='Memory of hosts that do not tell theirs, e.g. "512 GiB"; else they are left out.')
]
HostCores = Annotated[int | None, typer.Option(min=1, max=65_536, help="Cores of hosts that do not tell theirs.")]
CaFile = Annotated[Path | None, typer.Option(help="Certificates to trust instead of the usual ones.")]


class Target(NamedTuple):
    """What every import of an inventory is told about its target."""

    out: Path
    force: bool
    groups: Grouping
    host_memory: str | None
    host_cores: int | None

    def options(self) -> "FleetOptions":
        """Return what is added to what is found. Raises InputError where the memory is none."""
        from planner.inventory.fleet_of import FleetOptions
        from planner.units import parse_bytes

        try:
            memory = None if self.host_memory is None else parse_bytes(self.host_memory)
        except ValueError as error:
            raise InputError("--host-memory", str(error)) from error
        return FleetOptions(self.groups, memory, self.host_cores)


def rvtools(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCE...", help="Workbooks, CSV files, zips or directories; one per snapshot."),
    ],
    out: Out,
    groups: Groups = "names",
    host_memory: HostMemory = None,
    host_cores: HostCores = None,
    force: Force = False,
) -> None:
    """Import VMware inventories exported by RVTools, as a workbook or a CSV file per tab; several are snapshots."""
    from planner.inventory.rvtools import read_rvtools

    _import(Target(out, force, groups, host_memory, host_cores), lambda progress: read_rvtools(sources, progress))


def libvirt(
    out: Out,
    sources: Sources = None,
    uri: Annotated[str | None, typer.Option(help="Ask this libvirt instead, e.g. qemu:///system; read-only.")] = None,
    groups: Groups = "names",
    host_memory: HostMemory = None,
    host_cores: HostCores = None,
    force: Force = False,
) -> None:
    """Import KVM hosts: what virsh domstats, dommemstat, nodeinfo, nodememstats, dumpxml print, or a live libvirt."""
    from planner.inventory.libvirt import read_libvirt
    from planner.inventory.libvirt_live import read_libvirt_live

    _one_of(sources, "--uri", uri)
    read: Read = (
        (lambda progress: read_libvirt_live(uri, progress))
        if uri is not None
        else (lambda progress: read_libvirt(sources or [], progress))
    )
    _import(Target(out, force, groups, host_memory, host_cores), read)


def proxmox(  # noqa: PLR0913, PLR0917 (an argument is an option of the command here)
    out: Out,
    sources: Sources = None,
    url: Annotated[
        str | None, typer.Option(help="Ask this server instead, e.g. https://pve-1:8006; read-only.")
    ] = None,
    token_id: Annotated[str | None, typer.Option(help="API token, user@realm!name; its secret is asked for.")] = None,
    ca_file: CaFile = None,
    groups: Groups = "names",
    host_memory: HostMemory = None,
    host_cores: HostCores = None,
    force: Force = False,
) -> None:
    """Import a Proxmox VE cluster: what pvesh get ... --output-format json prints, or a live one.

    The token's secret is taken from PROXMOX_TOKEN_SECRET, or asked for. It is not stored.
    """
    from planner.inventory.proxmox import read_proxmox
    from planner.inventory.proxmox_live import read_proxmox_live

    _one_of(sources, "--url", url)

    def read(progress: "Progress") -> "Found":
        if url is None:
            return read_proxmox(sources or [], progress)
        if token_id is None:
            raise InputError("--token-id", "is missing", "give the API token's name: user@realm!name")
        secret = _secret("PROXMOX_TOKEN_SECRET", "Secret of the API token")
        return read_proxmox_live(url, token_id, secret, True if ca_file is None else str(ca_file), progress)

    _import(Target(out, force, groups, host_memory, host_cores), read)


def openstack(
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE...", help="JSON files, or directories of them.")],
    out: Out,
    groups: Groups = "names",
    host_memory: HostMemory = None,
    host_cores: HostCores = None,
    force: Force = False,
) -> None:
    """Import an OpenStack cloud: what openstack ... list/show -f json prints, or answers of Nova and placement."""
    from planner.inventory.openstack import read_openstack

    _import(Target(out, force, groups, host_memory, host_cores), lambda progress: read_openstack(sources, progress))


def kubevirt(
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE...", help="YAML or JSON files, or directories.")],
    out: Out,
    groups: Groups = "names",
    host_memory: HostMemory = None,
    host_cores: HostCores = None,
    force: Force = False,
) -> None:
    """Import KubeVirt VMs: what kubectl get vm, vmi, nodes, virtualmachineclusterinstancetypes -A -o yaml prints."""
    from planner.inventory.kubevirt import read_kubevirt

    _import(Target(out, force, groups, host_memory, host_cores), lambda progress: read_kubevirt(sources, progress))


def prometheus(  # noqa: PLR0913, PLR0917 (an argument is an option of the command here)
    out: Out,
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
    groups: Groups = "names",
    host_memory: HostMemory = None,
    host_cores: HostCores = None,
    force: Force = False,
) -> None:
    """Import what Prometheus recorded of VMs and hosts: saved answers of its API, or a server.

    A bearer token is taken from PROMETHEUS_TOKEN, a user's password from PROMETHEUS_PASSWORD or asked for. Neither is
    stored.
    """
    import time

    from planner.cli.import_ import tick_seconds
    from planner.inventory.prometheus import read_prometheus, read_prometheus_live
    from planner.inventory.prometheus_http import PrometheusOptions

    _one_of(sources, "--url", url)
    password = None
    if url is not None and username is not None:
        password = _secret("PROMETHEUS_PASSWORD", f"Password of {username}")
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
    _import(Target(out, force, groups, host_memory, host_cores), read)


def _one_of(sources: list[Path] | None, option: str, value: str | None) -> None:
    if bool(sources) == (value is not None):
        what = "both were given" if sources else "neither was given"
        raise InputError(f"SOURCE or {option}", what, f"give files, or a live source by {option}")


def _secret(variable: str, prompt: str) -> str:
    """Return a secret from the environment, or ask for it where somebody can answer."""
    found = os.environ.get(variable)
    if found:
        return found
    if not sys.stdin.isatty():
        raise InputError(variable, "is not set, and nobody can be asked", f"set the environment variable {variable}")
    answer: str = typer.prompt(prompt, hide_input=True, err=True)
    return answer


def _import(target: Target, read: Read) -> None:
    """Read an inventory, write its fleet directory with configs and report, print the report."""
    from planner.cli.import_ import ShowFiles
    from planner.inventory.fleet_of import make_fleet
    from planner.inventory.import_report import report_lines
    from planner.report.import_page import render_import_page
    from planner.workload.fleet_files import check_target, write_fleet

    options = target.options()
    check_target(target.out, target.force)
    made = make_fleet(read(ShowFiles()), options)
    lines = report_lines(made.report)
    texts = {"import-report.txt": "\n".join(lines) + "\n", "import-report.html": render_import_page(made.report)}
    write_fleet(target.out, made.fleet, target.force, {**made.configs, **texts})
    typer.echo("\n".join([*lines, "", f"Written to {target.out}; read {target.out / 'import-report.html'} first"]))
    for name in made.configs:
        typer.echo(f"Next: planner sweep {target.out / name}")
