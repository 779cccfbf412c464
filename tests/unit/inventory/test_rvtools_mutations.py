"""RVTools exports that were changed, broken or made with ill intent: each imports right, or fails with the remedy."""

import contextlib
import csv
import datetime
import re
import time
import zipfile

import pytest
import xlsxwriter
from rvtools_books import HEADERS, INFO, csv_text, rewrite_member, tabs, vm, write_book, write_csvs

from planner.errors import InputError
from planner.inventory.rvtools import read_rvtools
from planner.inventory.workbook_sheet import MAX_ROWS
from planner.units import GIB, MIB

SHEET = "xl/worksheets/sheet1.xml"


def facts(found):
    """Return what must not depend on how the export is written."""
    return [(vm.name, vm.configured_bytes, vm.consumed_bytes, vm.active_bytes, vm.uuid) for vm in found.vms]


@pytest.fixture
def plain(tmp_path):
    return facts(read_rvtools([write_book(tmp_path / "plain.xlsx")]))


def changed(name, change):
    """Return the tabs with the rows of one of them changed."""
    sheets = tabs()
    return {**sheets, name: change([list(row) for row in sheets[name]])}


def column(rows, name, change):
    """Return rows with one column changed, header and all; None removes it."""
    at = rows[0].index(name)
    if change is None:
        return [row[:at] + row[at + 1 :] for row in rows]
    return [[*row[:at], change(row[at]), *row[at + 1 :]] for row in rows]


def error_of(path):
    with pytest.raises(InputError) as caught:
        read_rvtools([path])
    return str(caught.value)


OLD = {"Size MiB": "Size MB", "VM": "vMemoryVMName", "Reservation": "vMemoryReservation", "Consumed": "Consumed MB"}
RAW = {"VM": "vInfoVMName", "Powerstate": "vInfoPowerstate", "Memory": "vInfoMemory", "CPUs": "vInfoCPUs",
       "Host": "vInfoHost", "Cluster": "vInfoCluster", "VM UUID": "vInfoUUID", "Template": "vInfoTemplate"}  # fmt: skip


def renamed(rows, names):
    return [[names.get(cell, cell) for cell in rows[0]], *rows[1:]]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("vMemory", lambda rows: renamed(rows, OLD)),
        ("vInfo", lambda rows: renamed(rows, RAW)),
        ("vInfo", lambda rows: [[str(cell).upper() for cell in rows[0]], *rows[1:]]),
        ("vInfo", lambda rows: [row[::-1] for row in rows]),
        ("vMemory", lambda rows: [[f"tag {rows.index(row)}", "more", *row, "last"] for row in rows]),
        ("vInfo", lambda rows: [["Export of March"], [], *rows]),
        ("vInfo", lambda rows: [row + [""] * 3 for row in rows] + [[""] * 5] * 4),
        ("vMemory", lambda rows: [rows[0], *rows[:0:-1]]),
        ("vMemory", lambda rows: column(rows, "VM UUID", None)),
        ("vInfo", lambda rows: column(rows, "Memory", None)),
        ("vMemory", lambda rows: column(rows, "Size MiB", None)),
        ("vMemory", lambda rows: column(rows, "Active", lambda cell: f"{cell}.0" if cell == 400 else cell)),
        ("vMemory", lambda rows: column(rows, "Consumed", lambda cell: "3,040" if cell == 3040 else cell)),
        ("vMemory", lambda rows: column(rows, "Consumed", lambda cell: "3.040,0" if cell == 3040 else cell)),
        ("vMemory", lambda rows: column(rows, "Consumed", lambda cell: "3\u202f040" if cell == 3040 else cell)),
        ("vMemory", lambda rows: column(rows, "Consumed", lambda cell: "3,04E+03" if cell == 3040 else cell)),
        ("vInfo", lambda rows: column(rows, "Template", lambda cell: "FALSCH" if cell == "False" else cell)),
        ("vInfo", lambda rows: column(rows, "Template", lambda cell: False if cell == "False" else cell)),
    ],
)
def test_other_spellings_and_orders_import_the_same(tmp_path, plain, name, change):
    found = read_rvtools([write_book(tmp_path / "export.xlsx", changed(name, change))])
    assert facts(found) == plain


@pytest.mark.parametrize("name", ["vMemory", "vHost", "vCluster", "vTools"])
@pytest.mark.parametrize("how", ["missing", "empty", "header only"])
def test_missing_and_empty_tabs_are_said(tmp_path, name, how):
    sheets = tabs()
    rest = {key: rows for key, rows in sheets.items() if key != name}
    if how != "missing":
        rest[name] = [] if how == "empty" else sheets[name][:1]
    found = read_rvtools([write_book(tmp_path / "export.xlsx", rest)])
    assert len(found.vms) == 3
    assert any(note.place == name and f"the tab is {how.split()[0]}"[:10] in note.text for note in found.doubts)
    if name == "vMemory":
        assert [vm.consumed_bytes for vm in found.vms] == [None] * 3
        assert [vm.configured_bytes for vm in found.vms] == [4 * GIB] * 3
    if name == "vHost":
        assert [(host.name, host.memory_bytes) for host in found.hosts] == [("esx-1", None)]


@pytest.mark.parametrize(("name", "header"), [("vMemory", "Consumed"), ("vInfo", "Powerstate"), ("vHost", "vRAM")])
def test_missing_columns_are_said(tmp_path, name, header):
    sheets = changed(name, lambda rows: column(rows, header, None))
    found = read_rvtools([write_book(tmp_path / "export.xlsx", sheets)])
    assert any(f'the column "{header}" is missing' in note.text for note in found.doubts)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("lots", r'vMemory!E3: "lots" is not a number; leave the cell empty'),
        ("-5", r"vMemory!E3: -5 is negative"),
        (1e18, r"vMemory!E3: 1e\+18 is too large; expected at most 1 EiB; is it in MiB"),
        ("#REF!", r"vMemory!E3: holds the error #REF!"),
        (True, r'vMemory!E3: "True" is not a number'),
        (datetime.datetime(2025, 3, 1), r'vMemory!E3: "2025-03-01" is not a number'),
        ("4096 MiB", r'vMemory!E3: "4096 MiB" is not a number'),
    ],
)
def test_cell_that_is_no_size_is_named(tmp_path, value, message):
    def change(rows):
        rows[2][4] = value
        return rows

    path = write_book(tmp_path / "export.xlsx", changed("vMemory", change))
    text = error_of(path)
    assert str(path) in text
    assert re.search(message, text)


def test_several_bad_cells_are_listed(tmp_path):
    sheets = changed("vMemory", lambda rows: column(rows, "Active", lambda cell: cell if cell == "Active" else "x"))
    assert "likewise vMemory!O3, vMemory!O4" in error_of(write_book(tmp_path / "export.xlsx", sheets))


def test_flag_that_is_neither_is_named(tmp_path):
    sheets = changed("vInfo", lambda rows: column(rows, "Template", lambda cell: "maybe" if cell == "False" else cell))
    assert 'vInfo!C2: "maybe" is neither true nor false' in error_of(write_book(tmp_path / "export.xlsx", sheets))


def test_point_that_is_thousands_here_and_decimals_there_is_refused(tmp_path):
    def change(rows):
        rows[1][4], rows[2][4] = "4.096", "4096.5"
        return rows

    text = error_of(write_book(tmp_path / "export.xlsx", changed("vMemory", change)))
    assert 'vMemory!E2: "." separates thousands here and decimals in vMemory!E3' in text


def test_columns_of_one_name(tmp_path, plain):
    same = changed("vInfo", lambda rows: [[*row, row[8]] for row in rows])
    assert facts(read_rvtools([write_book(tmp_path / "same.xlsx", same)])) == plain
    blank = changed("vInfo", lambda rows: [["Memory", *rows[0]], *(["", *row] for row in rows[1:])])
    assert facts(read_rvtools([write_book(tmp_path / "blank.xlsx", blank)])) == plain
    other = changed("vInfo", lambda rows: [[*rows[0], "Host"], *([*row, "rack 7"] for row in rows[1:])])
    text = error_of(write_book(tmp_path / "other.xlsx", other))
    assert re.search(r'vInfo!Y1 and vInfo!AG1: two columns are named "Host", and differ in row 2; rename', text)


def test_duplicate_uuids(tmp_path):
    vms = [vm("web", 1), vm("clone", 1, VM_ID="vm-9"), vm("db", 2), vm("db", 2)]
    found = read_rvtools([write_book(tmp_path / "export.xlsx", tabs(vms=vms))])
    assert [(item.name, item.uuid) for item in found.vms] == [("web", None), ("clone", None), ("db", "5000-2")]
    assert [note.text for note in found.skipped] == ["the row repeats a VM; the first row counts"]
    assert sum("VMs share a UUID" in note.text for note in found.doubts) == 2


def test_merged_cells_count_for_each_row(tmp_path):
    def merge(book, sheets):
        at = INFO.index("Host")
        sheets["vInfo"].merge_range(1, at, 3, at, "esx-1")

    found = read_rvtools([write_book(tmp_path / "export.xlsx", edit=merge)])
    assert [item.host for item in found.vms] == ["esx-1"] * 3
    assert any(note.place == "vInfo!Y2:Y4" and "merged cells" in note.text for note in found.doubts)


def test_formulas_count_by_their_stored_value(tmp_path, plain):
    def with_value(book, sheets):
        sheets["vMemory"].write_formula(1, 4, "=4*1024", None, 4096)

    def without(book, sheets):
        sheets["vMemory"].write_formula(1, 4, "=4*1024", None, "")

    def error(book, sheets):
        sheets["vMemory"].write_formula(1, 4, "=#REF!", None, "#REF!")

    assert facts(read_rvtools([write_book(tmp_path / "a.xlsx", edit=with_value)])) == plain
    text = error_of(write_book(tmp_path / "b.xlsx", edit=without))
    assert "vMemory!E2: holds a formula without a stored value; put the value in" in text
    assert "vMemory!E2: holds the error #REF!" in error_of(write_book(tmp_path / "c.xlsx", edit=error))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_per_tab(tmp_path, plain, separator, encoding):
    sheets = changed("vInfo", lambda rows: column(rows, "Annotation", lambda cell: cell or 'Müller, "x"; y\nz'))
    folder = write_csvs(tmp_path / "csv", sheets, separator, encoding)
    found = read_rvtools([folder])
    assert facts(found) == plain
    assert any("Windows-1252" in note.text for note in found.doubts) == (encoding == "cp1252")
    assert facts(read_rvtools(sorted(folder.iterdir()))) == plain
    with zipfile.ZipFile(tmp_path / "csv.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"export/{file.name}")
    assert facts(read_rvtools([tmp_path / "csv.zip"])) == plain


def test_german_csv(tmp_path, plain):
    def german(rows):
        return [[f"{cell:,}".replace(",", ".") if type(cell) is int else cell for cell in row] for row in rows]

    sheets = {name: german(rows) for name, rows in tabs().items()}
    assert facts(read_rvtools([write_csvs(tmp_path / "csv", sheets, ";")])) == plain


def test_csv_of_vinfo_alone_whatever_its_name(tmp_path):
    file = tmp_path / "inventory.csv"
    file.write_text("sep=;\n" + csv_text(tabs()["vInfo"], ";"), encoding="utf-8")
    assert [item.configured_bytes for item in read_rvtools([file]).vms] == [4 * GIB] * 3
    file.write_text(csv_text(tabs()["vHost"]), encoding="utf-8")
    assert "neither its name nor its header tells which tab it holds; name it" in error_of(file)


def test_csv_that_is_cut_or_shifted(tmp_path):
    folder = write_csvs(tmp_path / "csv")
    file = folder / "RVTools_tabvMemory.csv"
    text = file.read_text(encoding="utf-8")
    file.write_text(text[: len(text) - 60], encoding="utf-8")
    assert re.search(r"vMemory!A4: the row has \d+ cells, the header 31", error_of(folder))
    file.write_text(text.replace("db,", '"db,'), encoding="utf-8")
    assert "is no row of a CSV file" in error_of(folder)
    file.write_bytes(bytes(range(256)) * 4)
    assert "vMemory: is not text" in error_of(folder)


def test_wrong_files(tmp_path):
    sheets = {key: rows for key, rows in tabs().items() if key != "vInfo"}
    assert "vInfo: the tab is missing" in error_of(write_book(tmp_path / "a.xlsx", sheets))
    other = write_book(tmp_path / "b.xlsx", {"Budget": [["Month", "Cost"], ["May", 3]]})
    assert "has none of the tabs vInfo" in error_of(other)
    assert "it has: Budget" in error_of(other)
    assert "vInfo: the tab lists no VM" in error_of(write_book(tmp_path / "c.xlsx", {**tabs(), "vInfo": [INFO]}))
    nameless = changed("vInfo", lambda rows: column(rows, "VM", None))
    assert "lacks the column that names its rows; expected a column such as vm" in error_of(
        write_book(tmp_path / "d.xlsx", nameless)
    )
    (tmp_path / "e.xlsx").write_text("<html>please log in</html>")
    assert "is no Excel workbook, whatever its name says" in error_of(tmp_path / "e.xlsx")
    assert "is missing" in error_of(tmp_path / "nothing.xlsx")
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(1001):
            archive.writestr(f"{number}/RVTools_tabvInfo.csv", "VM")
    assert "holds 1,001 files, more than 1,000" in error_of(tmp_path / "many.zip")
    (tmp_path / "empty").mkdir()
    assert "holds no export" in error_of(tmp_path / "empty")


def test_protected_old_and_open_document_files(tmp_path):
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    (tmp_path / "a.xlsx").write_bytes(ole + "EncryptedPackage".encode("utf-16-le") + bytes(64))
    assert "is protected by a password; save it without a password" in error_of(tmp_path / "a.xlsx")
    (tmp_path / "b.xls").write_bytes(ole)
    assert "of the old .xls format, which is not read; open it" in error_of(tmp_path / "b.xls")
    for name, member in (("c.ods", "content.xml"), ("d.xlsb", "xl/workbook.bin")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(member, "x")
        assert "which is not read; open it in a spreadsheet program" in error_of(tmp_path / name)


@pytest.mark.parametrize("part", [0.02, 0.5, 0.98])
def test_truncated_workbook(tmp_path, part):
    path = write_book(tmp_path / "export.xlsx")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    assert "is neither a directory nor a whole zip file" in error_of(path)


@pytest.mark.parametrize(
    ("member", "change"),
    [
        (SHEET, lambda data: data[: len(data) // 2]),
        ("xl/workbook.xml", lambda data: data[:200]),
        ("xl/workbook.xml", lambda data: data.replace(b"UTF-8", b"UTF-88")),
        ("xl/workbook.xml", lambda data: b'<!DOCTYPE a [<!ENTITY b "c">]>' + data),
        ("xl/sharedStrings.xml", lambda data: data[:100]),
    ],
)
def test_broken_members_fail(tmp_path, member, change):
    path = rewrite_member(write_book(tmp_path / "a.xlsx"), tmp_path / "b.xlsx", member, change)
    assert "no whole workbook" in error_of(path)


def test_zip_bomb(tmp_path):
    bomb = rewrite_member(
        write_book(tmp_path / "a.xlsx"), tmp_path / "b.xlsx", SHEET, lambda data: data + bytes(1 << 27)
    )
    assert "times its size" in error_of(bomb)


@pytest.mark.parametrize("place", ["XFD1048576", "A1048576", "XFD200000"])
def test_cell_far_out_is_refused_before_memory_is_taken(tmp_path, place):
    def change(data):
        row = f'<row r="{re.sub("[A-Z]", "", place)}"><c r="{place}"><v>1</v></c></row></sheetData>'
        return data.replace(b"</sheetData>", row.encode())

    path = rewrite_member(write_book(tmp_path / "a.xlsx"), tmp_path / "b.xlsx", SHEET, change)
    assert re.search(r"vInfo: (has 1,048,576 rows or more|spans 200,000 rows)", error_of(path))


@pytest.mark.parametrize("piece", [b"<c ", b'<c r="A1">', b'<c r="A1" t="e"><f>', b"<c r='", b"<!-- <c -->"])
def test_page_that_is_made_to_be_slow(tmp_path, piece):
    path = rewrite_member(
        write_book(tmp_path / "a.xlsx"), tmp_path / "b.xlsx", SHEET, lambda data: data + piece * 200_000
    )
    started_s = time.process_time()
    with contextlib.suppress(InputError):
        read_rvtools([path])
    assert time.process_time() - started_s < 5


def test_rows_of_nothing_but_a_height_do_not_count(tmp_path, plain):
    empty = b'<row r="1048576" ht="12.75"><c r="A1048576" s="0"/></row></sheetData>'
    change = rewrite_member(
        write_book(tmp_path / "a.xlsx"), tmp_path / "b.xlsx", SHEET, lambda data: data.replace(b"</sheetData>", empty)
    )
    assert facts(read_rvtools([change])) == plain


def test_a_million_rows_are_refused(tmp_path):
    line = ",".join(["x"] * 4) + "\r\n"
    file = tmp_path / "RVTools_tabvInfo.csv"
    file.write_text("VM,Powerstate,CPUs,Memory\r\n" + line * 1_000_000)
    assert f"rows or more, and {MAX_ROWS:,} is the most" in error_of(file)


def test_names_that_are_numbers_stay_names(tmp_path):
    def numbers(book, sheets):
        for name in ("vInfo", "vMemory"):
            sheets[name].write_number(1, 0, 59)

    found = read_rvtools([write_book(tmp_path / "export.xlsx", edit=numbers)])
    assert (found.vms[0].name, found.vms[0].consumed_bytes) == ("59", 3000 * MIB)


def test_two_tabs_of_one_name(tmp_path):
    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        for name in ("vInfo", "tabvInfo"):
            book.add_worksheet(name).write_row(0, 0, HEADERS["vInfo"])
    assert 'tabvInfo: is a second tab vInfo, beside "vInfo"' in error_of(tmp_path / "a.xlsx")


def test_reading_csv_leaves_the_limit_of_the_process(tmp_path):
    usual = csv.field_size_limit()
    (tmp_path / "RVTools_tabvInfo.csv").write_text("VM;Powerstate;Memory\nweb;poweredOn;4096\n", encoding="utf-8")
    read_rvtools([tmp_path])
    assert csv.field_size_limit() == usual
