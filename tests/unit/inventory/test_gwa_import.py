import zipfile
from pathlib import Path

import numpy as np
import pytest

from planner.errors import InputError
from planner.inventory.gwa import import_gwa
from planner.inventory.gwa_files import GwaFolder, parse_csv
from planner.units import GIB, KIB

HEADER = (
    "Timestamp [ms];\tCPU cores;\tCPU capacity provisioned [MHZ];\tCPU usage [MHZ];\tCPU usage [%];\t"
    "Memory capacity provisioned [KB];\tMemory usage [KB];\tDisk read throughput [KB/s];\t"
    "Disk write throughput [KB/s];\tNetwork received throughput [KB/s];\tNetwork transmitted throughput [KB/s]\n"
)
JULY = 1_372_636_800  # 2013-07-01 00:00 UTC


def rows(times_s, granted_kib=1000.0, active_kib=100.0, separator=";\t"):
    # 2 cores of 2,600 MHz together 5,200 MHz; 1,300 MHz used is half a core.
    cells = ("2", "5200.0", "1300.0", "25.0", str(granted_kib), str(active_kib), "0.0", "1.5", "0.2", "0.1")
    return "".join(separator.join((str(time), *cells)) + "\n" for time in times_s)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def archive(tmp_path):
    """Two VMs; the second has no file in August, and a gap of one sample in July."""
    write(tmp_path / "rnd/2013-7/1.csv", HEADER + rows([JULY + 7, JULY + 306], 1000, 100))
    write(tmp_path / "rnd/2013-8/1.csv", HEADER + rows([JULY + 907], 2000, 50))
    write(tmp_path / "rnd/2013-7/10.csv", HEADER + rows([JULY + 100, JULY + 701], 4_000_000, 10, ";    "))
    return tmp_path / "rnd"


def test_months_are_joined_and_jitter_is_snapped(archive):
    fleet = import_gwa(archive)
    assert [vm.name for vm in fleet.vms] == ["vm01", "vm10"]
    assert (fleet.info.tick_s, fleet.info.first_time_s) == (300, JULY)
    nan = np.nan
    np.testing.assert_allclose(fleet.granted_bytes[0] / KIB, [1000, 1000, nan, 2000])
    np.testing.assert_allclose(fleet.active_bytes[0] / KIB, [100, 100, nan, 50])
    np.testing.assert_allclose(fleet.active_bytes[1] / KIB, [10, nan, 10, nan])
    np.testing.assert_allclose(fleet.cpu_busy_vcpus[0], [0.5, 0.5, nan, 0.5])
    assert fleet.vms[0].vcpus == 2
    # 4,000,000 KiB = 3.81 GiB, rounded up; too few samples for the quantum.
    assert (fleet.vms[1].configured_bytes, fleet.vms[1].configured_from) == (4 * GIB, "granted")
    assert "Bitbrains" in fleet.info.acknowledgement


def test_zip_reads_as_the_directory_does(archive, tmp_path):
    with zipfile.ZipFile(tmp_path / "rnd.zip", "w") as file:
        for path in archive.rglob("*.csv"):
            file.write(path, path.relative_to(archive.parent))
        file.writestr("__MACOSX/rnd/2013-7/._1.csv", b"\x00\x01")
    fleet, same = import_gwa(tmp_path / "rnd.zip"), import_gwa(archive)
    assert fleet.vms == same.vms
    np.testing.assert_array_equal(fleet.active_bytes, same.active_bytes)
    np.testing.assert_array_equal(fleet.granted_bytes, same.granted_bytes)


def test_each_file_has_its_own_phase(tmp_path):
    # 10 or 11 s past the tick in July, 245 or 246 s in August: one phase for both would misplace some of either.
    july = [JULY + 300 * i + 10 + i % 2 for i in range(20)]
    august = [JULY + 300 * i + 245 + i % 2 for i in range(20, 40)]
    write(tmp_path / "2013-7/1.csv", HEADER + rows(july))
    write(tmp_path / "2013-8/1.csv", HEADER + rows(august))
    fleet = import_gwa(tmp_path)
    assert fleet.active_bytes.shape == (1, 40)
    assert not np.isnan(fleet.active_bytes).any()
    assert fleet.info.warnings == ()


def test_files_need_not_be_sorted(tmp_path):
    write(tmp_path / "1.csv", HEADER + rows([JULY + 600], 300) + rows([JULY], 100) + rows([JULY + 300], 200))
    np.testing.assert_allclose(import_gwa(tmp_path).granted_bytes / KIB, [[100, 200, 300]])


def test_same_numbers_in_two_data_sets_are_two_vms(archive):
    write(archive.parent / "fastStorage/2013-8/1.csv", HEADER + rows([JULY, JULY + 300]))
    names = [vm.name for vm in import_gwa(archive.parent).vms]
    assert names == ["fastStorage/vm01", "rnd/vm01", "rnd/vm10"]


def test_real_milliseconds_are_detected(archive):
    write(archive / "2013-7/1.csv", HEADER + rows([(JULY + 7) * 1000, (JULY + 306) * 1000]))
    assert import_gwa(archive).info.first_time_s == JULY


def test_zero_granted_is_off_and_a_vm_never_on_is_left_out(archive):
    write(archive / "2013-7/2.csv", HEADER + rows([JULY, JULY + 300], 0, 0))
    write(archive / "2013-8/1.csv", HEADER + rows([JULY + 907], 0, 0))
    fleet = import_gwa(archive)
    assert [vm.name for vm in fleet.vms] == ["vm01", "vm10"]
    assert fleet.info.warnings == ("1 of 3 VMs were never on and are left out: vm02",)
    assert np.isnan(fleet.granted_bytes[0, 3])
    assert np.isnan(fleet.active_bytes[0, 3])


def test_configured_size_from_the_counter(tmp_path):
    # 2 GiB: steps of 1 % = 20971.52 KiB; a stored sample is the mean of 15 readings, so k x 1398.1013 KiB.
    steps = np.random.Generator(np.random.PCG64(1)).integers(0, 60, 300)
    text = "".join(rows([JULY + 300 * i], 700_000, round(k * 1398.1013, 2)) for i, k in enumerate(steps))
    write(tmp_path / "1.csv", HEADER + text)
    vm = import_gwa(tmp_path).vms[0]
    assert (vm.configured_bytes, vm.configured_from) == (2 * GIB, "quantum")


MATERNA = (
    '"Timestamp";"CPU cores";"CPU capacity provisioned [MHZ]";"CPU usage [MHZ]";"CPU usage [%]";'
    '"Memory capacity provisioned [KB]";"Memory usage [KB]";"Memory usage [%]";"Disk size [GB]"\n'
)


def test_materna_variant(tmp_path):
    lines = [
        f'"01.12.2015 {i // 12:02}:{i % 12 * 5:02}:03";"2";"0";"45";"0,73";"8388608";"{"1048576,0"}";"12,5";"44"\n'
        for i in range(40)
    ]
    write(tmp_path / "01.csv", MATERNA + "".join(lines))
    fleet = import_gwa(tmp_path)
    # 1 GiB is 12.5 % of 8 GiB. 2015-12-01 00:00 UTC = 1448928000.
    assert (fleet.vms[0].configured_bytes, fleet.vms[0].configured_from) == (8 * GIB, "percent")
    assert fleet.info.first_time_s == 1_448_928_000
    assert fleet.active_bytes.shape == (1, 40)
    # A CPU capacity of 0 MHz leaves busy vCPUs unknown.
    assert fleet.cpu_busy_vcpus is None


def refused(call) -> str:
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.hint
    return str(caught.value)


def test_missing_column_is_named_with_what_was_found():
    header = HEADER.replace("Memory usage [KB]", "Mem used")
    text = refused(lambda: parse_csv((header + rows([JULY])).encode(), "f.csv"))
    assert text.startswith('f.csv: lacks the column "Memory usage [KB]"')
    assert "mem used" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "1;2;3\n", "is not a table"),
        (HEADER + rows([JULY]).replace("1000.0", "many"), "is not a table"),
        (HEADER + rows(["soon"]), "time stamps cannot be read"),
        (HEADER + rows([""]), "time stamp"),
        ("", "lacks the column"),
    ],
)
def test_broken_files(text, message):
    assert message in refused(lambda: parse_csv(text.encode(), "f.csv"))


def test_binary_is_no_csv():
    assert "is not text" in refused(lambda: parse_csv(b"\xff\xfe\x00\n1", "f.csv"))


def test_wrong_sources(tmp_path):
    assert "no such file or directory" in refused(lambda: GwaFolder(tmp_path / "none"))
    assert "holds no CSV file" in refused(lambda: GwaFolder(tmp_path))
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 not really")
    assert "neither a directory nor a whole zip" in refused(lambda: GwaFolder(tmp_path / "x.zip"))
    assert "name the .zip file itself" in refused(lambda: GwaFolder(tmp_path))
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    assert "holds no CSV file" in refused(lambda: GwaFolder(tmp_path / "empty.zip"))


def test_damaged_zip_member(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("1.csv", HEADER + rows([JULY, JULY + 300]))
    data = bytearray((tmp_path / "x.zip").read_bytes())
    data[300] ^= 0xFF
    (tmp_path / "x.zip").write_bytes(bytes(data))
    assert "cannot be read" in refused(lambda: import_gwa(tmp_path / "x.zip"))


def test_only_vms_that_are_off(tmp_path):
    write(tmp_path / "1.csv", HEADER + rows([JULY, JULY + 300], 0, 0))
    assert "no file holds a sample of a running VM" in refused(lambda: import_gwa(tmp_path))


def test_header_only(tmp_path):
    write(tmp_path / "1.csv", HEADER)
    assert "no file holds a sample" in refused(lambda: import_gwa(tmp_path))


def test_cpu_use_beyond_all_numbers_is_unknown_and_no_warning(tmp_path):
    text = (HEADER + rows([JULY, JULY + 300])).replace("5200.0", "1e-308")
    write(tmp_path / "rnd/2013-7/1.csv", text)
    assert import_gwa(tmp_path / "rnd").cpu_busy_vcpus is None
