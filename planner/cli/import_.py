"""`planner import`: turn inventories, traces and tables into a fleet directory with a config and a report.

Modules that do the work are imported inside the commands, so that `planner --help` answers at once.
"""

import typer

from planner.cli import import_inventory, import_traces

import_app = typer.Typer(help="Turn real inventories and traces into a fleet directory.", no_args_is_help=True)

for _command in (
    import_inventory.rvtools,
    import_inventory.vsphere,
    import_inventory.libvirt,
    import_inventory.proxmox,
    import_inventory.openstack,
    import_inventory.kubevirt,
    import_inventory.prometheus,
    import_inventory.azure,
    import_inventory.google,
    import_traces.gwa,
    import_traces.table,
):
    import_app.command()(_command)
