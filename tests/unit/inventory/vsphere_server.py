"""A vCenter made for tests: answers pyVmomi over HTTP from objects in memory, in pages; keeps the names of requests."""

import datetime
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

from pyVmomi import SoapAdapter, vim, vmodl
from pyVmomi.VmomiSupport import newestVersions

VERSIONS = (
    '<?xml version="1.0" encoding="UTF-8"?><namespaces version="1.0"><namespace><name>urn:vim25</name>'
    "<version>8.0.2.0</version><priorVersions><version>7.0</version></priorVersions></namespace></namespaces>"
)
ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
    'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>{}</soapenv:Body></soapenv:Envelope>'
)
Collector = vmodl.query.PropertyCollector


class Vcenter:
    """Objects and their properties; `methods` lists what was asked, in order."""

    def __init__(self, objects, page=2):
        self.objects = objects
        self.page = page
        self.methods = []
        self.asked = {}
        self.password = "right"
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                self._answer(200, VERSIONS)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._answer(*outer.answer(body))

            def _answer(self, status, text):
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/xml; charset=utf-8")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    def answer(self, body):
        method = re.search(r"<(?:soapenv:)?Body>\s*<(\w+)", body)[1]
        self.methods.append(method)
        if method == "RetrieveServiceContent":
            return 200, reply(method, service_content())
        if method == "Login":
            if not re.search(rf"<password[^>]*>{self.password}</password>", body):
                return 500, fault("InvalidLogin")
            return 200, reply(method, user_session())
        if method == "RetrievePropertiesEx":
            for kind, paths in re.findall(r"<propSet[^>]*><type[^>]*>(\w+)</type>(.*?)</propSet>", body):
                self.asked[kind] = re.findall(r"<pathSet[^>]*>(.*?)</pathSet>", paths)
            return 200, reply(method, self._page(0))
        if method == "ContinueRetrievePropertiesEx":
            return 200, reply(method, self._page(int(re.search(r"<token[^>]*>(\d+)</token>", body)[1])))
        return 200, ENVELOPE.format(f'<{method}Response xmlns="urn:vim25"></{method}Response>')

    def _page(self, start):
        end = start + self.page
        token = str(end) if end < len(self.objects) else None
        return Collector.RetrieveResult(token=token, objects=[self._content(*item) for item in self.objects[start:end]])

    def _content(self, item, values):
        asked = self.asked.get(type(item).__name__.rpartition(".")[2], values)
        known = [vmodl.DynamicProperty(name=name, val=value) for name, value in values.items() if name in asked]
        return Collector.ObjectContent(obj=item, propSet=known)


def user_session():
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    return vim.UserSession(
        key="1", userName="joe", fullName="", locale="", messageLocale="", loginTime=moment, lastActiveTime=moment,
        extensionSession=False, ipAddress="", userAgent="", callCount=0,
    )  # fmt: skip


def service_content():
    about = vim.AboutInfo(
        name="VMware vCenter Server", fullName="VMware vCenter Server 8.0.2 build-1", vendor="VMware, Inc.",
        version="8.0.2", build="1", osType="linux-x64", productLineId="vpx", apiType="VirtualCenter",
        apiVersion="8.0.2.0",
    )  # fmt: skip
    return vim.ServiceInstanceContent(
        rootFolder=vim.Folder("group-d1"), propertyCollector=Collector("propertyCollector"), about=about,
        sessionManager=vim.SessionManager("SessionManager"),
    )  # fmt: skip


def reply(method, value):
    text = SoapAdapter.SerializeToStr(value, version=newestVersions.Get("vim"))
    text = re.sub(r"^<\?xml[^>]*\?>\s*", "", text)
    text = re.sub(r"^<obj\b", "<returnval", re.sub(r"</obj>\s*$", "</returnval>", text))
    return ENVELOPE.format(f'<{method}Response xmlns="urn:vim25">{text}</{method}Response>')


def fault(name):
    detail = f'<{name}Fault xmlns="urn:vim25" xsi:type="{name}"></{name}Fault>'
    words = escape("Cannot complete login due to an incorrect user name or password.")
    return ENVELOPE.format(
        f"<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{words}</faultstring>"
        f"<detail>{detail}</detail></soapenv:Fault>"
    )
