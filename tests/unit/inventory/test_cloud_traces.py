"""Published cloud traces as the fleet of a moment: columns by position, moments and sizes by hand."""

import gzip

import pytest

from planner.cli.main import main
from planner.errors import InputError
from planner.inventory.azure import read_azure
from planner.inventory.google import read_google
from planner.units import GIB

# VM, subscription, deployment, created, deleted, max, mean and p95 CPU, category, cores, memory.
AZURE = """a,s,d1,0,600,90,10,50,Interactive,2,4
b,s,d1,300,900,90,10,50,Interactive,>24,>64
c,s,d2,300,86400,90,10,50,Unknown,4,32
d,s,d2,900,1200,90,10,50,Unknown,8,64
"""


def azure(tmp_path, text=AZURE, name="vmtable.csv.gz", **given):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return read_azure([path], **given)


def texts(notes):
    return [note.text for note in notes]


def test_azure_is_the_busiest_moment(tmp_path):
    # a alone until 300 s; a, b, c until 600; b, c until 900; c, d after.
    found = azure(tmp_path)
    assert any("that of 300 s" in text for text in found.assumptions)
    assert [(vm.name, vm.uuid, vm.configured_bytes, vm.vcpus, vm.group) for vm in found.vms] == [
        ("vm-1", "a", 4 * GIB, 2, "d1"),
        ("vm-3", "c", 32 * GIB, 4, "d2"),
    ]
    assert texts(found.skipped) == ["VM of the open bucket of memory, or without any"]


def test_azure_at_a_moment_with_the_open_bucket_stated(tmp_path):
    found = azure(tmp_path, name="vmtable.csv", at_s=899.0, largest_bytes=128 * GIB)
    assert [(vm.uuid, vm.configured_bytes, vm.vcpus) for vm in found.vms] == [
        ("b", 128 * GIB, None),
        ("c", 32 * GIB, 4),
    ]


@pytest.mark.parametrize(
    ("text", "given", "words"),
    [
        (AZURE, {"at_s": 1e9}, "no VM ran at"),
        ("a,b,c\n", {}, "has no column"),
        (AZURE.replace("0,600", "x,600"), {}, "the column of times created holds no numbers"),
        ("", {}, "has no column"),
    ],
)
def test_azure_that_cannot_be_read(tmp_path, text, given, words):
    with pytest.raises(InputError, match=words):
        azure(tmp_path, text, **given)


def test_azure_truncated_archive(tmp_path):
    path = tmp_path / "vmtable.csv.gz"
    path.write_bytes(gzip.compress((AZURE * 1000).encode())[:-40])
    with pytest.raises(InputError, match="not a whole CSV file"):
        read_azure([path])


# start, end [us], job, task, machine, CPU rate, canonical memory, 13 more
USAGE = "600000000,900000000,{job},{task},{machine},0.1,{memory}" + ",0" * 13 + "\n"
# time, missing, job, task, machine, event, user, class, priority, CPU request, memory request, 2 more
EVENTS = "{time},,{job},{task},,0,u,1,9,0.1,{memory},0,0\n"


def google(tmp_path, **given):
    folders = {name: tmp_path / name for name in ("task_usage", "task_events", "machine_events")}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    usage = [
        USAGE.format(job=1, task=0, machine=7, memory=0.25),
        USAGE.format(job=1, task=1, machine=8, memory=0.5),
        USAGE.format(job=2, task=0, machine=9, memory=0.125),
        "900000000,1200000000,3,0,7,0.1,0.25" + ",0" * 13 + "\n",
    ]
    (folders["task_usage"] / "part-00000.csv").write_text("".join(usage))
    events = [
        EVENTS.format(time=0, job=1, task=0, memory=0.25),
        EVENTS.format(time=500000000, job=1, task=0, memory=0.5),
        EVENTS.format(time=5000000000, job=1, task=0, memory=0.75),
        EVENTS.format(time=0, job=1, task=1, memory=0.25),
    ]
    (folders["task_events"] / "part-00000.csv.gz").write_bytes(gzip.compress("".join(events).encode()))
    (folders["machine_events"] / "part-00000.csv").write_text(
        "0,7,0,p,0.5,1.0\n0,8,0,p,0.5,0.5\n0,9,0,p,0.5,0.5\n1,9,1,p,,\n"
    )
    return read_google([tmp_path], 256 * GIB, **given)


def test_google_2011_by_hand(tmp_path):
    found = google(tmp_path)
    first, second = found.vms
    # The last request before the moment counts: half of 256 GiB, of which a quarter of 256 is in use.
    assert (first.name, first.configured_bytes, first.consumed_bytes) == ("job-1/0", 128 * GIB, 64 * GIB)
    assert (first.host, first.group, first.active_bytes) == ("machine-7", "job-1", None)
    # It uses more than it asked for.
    assert (second.configured_bytes, second.consumed_bytes) == (64 * GIB, 64 * GIB)
    assert len(found.doubts) == 1
    assert [(host.name, host.memory_bytes) for host in found.hosts] == [
        ("machine-7", 256 * GIB),
        ("machine-8", 128 * GIB),
    ]
    assert texts(found.skipped) == ["machine that was removed before", "task without a request of memory"]


def test_google_at_another_moment(tmp_path):
    with pytest.raises(InputError, match="no task ran at 5 s"):
        google(tmp_path, at_s=5.0)


def test_google_2019_by_the_names_of_its_columns(tmp_path):
    (tmp_path / "instance_usage-000.csv").write_text(
        "instance_index,collection_id,start_time,end_time,machine_id,average_usage.memory,average_usage.cpus\n"
        "0,11,300000000,600000000,5,0.25,0.1\n"
    )
    (tmp_path / "instance_events-000.csv").write_text(
        "time,type,collection_id,instance_index,machine_id,resource_request.cpus,resource_request.memory\n"
        "0,0,11,0,,0.1,0.5\n"
    )
    found = read_google([tmp_path], 64 * GIB)
    (vm,) = found.vms
    assert (vm.name, vm.configured_bytes, vm.consumed_bytes) == ("job-11/0", 32 * GIB, 16 * GIB)


def test_from_a_trace_to_a_config(tmp_path):
    (tmp_path / "vmtable.csv").write_text(AZURE)
    assert main(["import", "azure", str(tmp_path / "vmtable.csv"), "--out", str(tmp_path / "fleet")]) == 0
    assert main(["check", str(tmp_path / "fleet" / "fleet.yaml")]) == 0
    words = ["import", "google", str(tmp_path), "--machine-memory", "a lot", "--out", str(tmp_path / "g")]
    assert main(words) == 2
