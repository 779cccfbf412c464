"""A session with a vCenter or an ESXi host by pyVmomi: log in, read properties in pages, log out. Nothing is changed.

Objects are found by traversal from the root folder, so that not even a view is created on the server; of methods, only
RetrieveServiceContent, Login, RetrievePropertiesEx, ContinueRetrievePropertiesEx, CancelRetrievePropertiesEx and Logout
are sent.
"""

import http.client
import ipaddress
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from planner.errors import InputError

TIMEOUT_S = 120
API_VERSION = "vim.version.version11"
"""That of vSphere 6.5: later servers speak it, and all that is read is in it."""
PAGE_OBJECTS = 1000
MAX_OBJECTS = 500_000
"""Objects of a vCenter that are read; its own maximum is a tenth."""
_STEPS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "folders": ("Folder", "childEntity", ("folders", "host folder", "VM folder")),
    "host folder": ("Datacenter", "hostFolder", ("host folders",)),
    "host folders": ("Folder", "childEntity", ("host folders", "hosts", "root pool")),
    "hosts": ("ComputeResource", "host", ()),
    "root pool": ("ComputeResource", "resourcePool", ("pools", "VMs")),
    "pools": ("ResourcePool", "resourcePool", ("pools", "VMs")),
    "VMs": ("ResourcePool", "vm", ()),
    "VM folder": ("Datacenter", "vmFolder", ("VM folders",)),
    "VM folders": ("Folder", "childEntity", ("VM folders",)),
}
"""Name of a step to the type it is from, the property it follows, and the steps after it. A vApp is a pool. None leads
back, so that no server goes in circles: simulators follow properties by name, and a VM names its pool, too."""


class Login(NamedTuple):
    """Where and as whom to log in; `ca_file` None trusts what the system trusts."""

    url: str
    username: str
    password: str
    ca_file: Path | None = None

    def __repr__(self) -> str:
        """Leave the password out."""
        return f"Login({self.url!r}, {self.username!r})"


@contextmanager
def open_session(login: Login) -> Iterator[Any]:
    """Log in; give the server's service content; log out.

    Raises
    ------
    InputError
        pyVmomi is not installed, the URL is none, or the server cannot be reached, is not trusted, or refuses.
    """
    adapter, vmodl, vim = _modules()
    parts = _checked(login.url)
    context = None if parts.scheme == "http" else ssl.create_default_context(cafile=login.ca_file)
    place = f"{parts.scheme}://{parts.netloc}"
    port = (parts.port or 443) if context else -(parts.port or 80)  # pyVmomi: below zero is plain HTTP
    stub = adapter(
        parts.hostname, port, path="/sdk", version=API_VERSION, sslContext=context, httpConnectionTimeout=TIMEOUT_S
    )
    try:
        content = vim.ServiceInstance("ServiceInstance", stub).RetrieveContent()
        content.sessionManager.Login(login.username, login.password)
        try:
            yield content
        finally:
            content.sessionManager.Logout()
    except vim.fault.InvalidLogin:
        raise InputError(place, "refuses user name or password", "check both; a user that may read is enough") from None
    except vim.fault.NoPermission:
        raise InputError(place, "the user may not read it", "give the user the role Read-only on the root") from None
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(place, error) from None
    except (vmodl.MethodFault, vmodl.RuntimeFault) as error:
        raise InputError(place, f"answers with a fault ({type(error).__name__})", "is it a vCenter or ESXi?") from None
    finally:
        stub.DropConnections()


def _unreachable(place: str, error: BaseException) -> InputError:
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = "name the file of the CA that signed its certificate with --ca-file"
        return InputError(place, f"is not trusted: {error.verify_message}", hint)
    return InputError(place, f"cannot be reached, or is no vCenter ({type(error).__name__})", "check URL and network")


def _modules() -> tuple[Any, Any, Any]:
    try:
        from pyVmomi import SoapStubAdapter, vim, vmodl
    except ImportError:
        raise InputError("vsphere", "needs pyVmomi, which is not installed", "pip install planner[vsphere]") from None
    return SoapStubAdapter, vmodl, vim


def _checked(url: str) -> Any:
    """Split a URL; a password goes over TLS, or to this machine."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.query or port == 0:
        raise InputError("--url", "is no address of a server", "expected e.g. https://vcenter.example.org")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise InputError("--url", "would send the password in clear", "use https")
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def retrieve(content: Any, wanted: Mapping[str, Sequence[str]]) -> dict[str, list[tuple[Any, dict[str, Any]]]]:
    """Read properties of all objects of some types, a thousand at a time.

    Parameters
    ----------
    content : ServiceContent
    wanted : mapping
        Name of a type to the paths of its properties.

    Returns
    -------
    dict
        Name of a type to its objects in the server's order: the reference, and the properties that it has.
    """
    from pyVmomi import vim, vmodl

    query = vmodl.query.PropertyCollector
    steps = [
        query.TraversalSpec(
            name=name, type=getattr(vim, kind), path=path, skip=False,
            selectSet=[query.SelectionSpec(name=after) for after in later],
        )
        for name, (kind, path, later) in _STEPS.items()
    ]  # fmt: skip
    start = query.ObjectSpec(obj=content.rootFolder, skip=False, selectSet=steps)
    properties = [query.PropertySpec(type=getattr(vim, kind), pathSet=list(paths)) for kind, paths in wanted.items()]
    collector = content.propertyCollector
    options = query.RetrieveOptions(maxObjects=PAGE_OBJECTS)
    found: dict[str, list[tuple[Any, dict[str, Any]]]] = {kind: [] for kind in wanted}
    seen: set[str] = set()
    result = collector.RetrievePropertiesEx([query.FilterSpec(objectSet=[start], propSet=properties)], options)
    while result is not None:
        for item in result.objects:
            if item.obj._moId not in seen:  # a VM is in a folder and in a pool
                seen.add(item.obj._moId)
                kind = next(name for name in wanted if isinstance(item.obj, getattr(vim, name)))
                found[kind].append((item.obj, {prop.name: prop.val for prop in item.propSet}))
        if not result.token:
            break
        if len(seen) > MAX_OBJECTS:
            collector.CancelRetrievePropertiesEx(result.token)
            raise InputError("the server", f"has more than {MAX_OBJECTS:,} objects", "import one data centre at a time")
        result = collector.ContinueRetrievePropertiesEx(result.token)
    return found
