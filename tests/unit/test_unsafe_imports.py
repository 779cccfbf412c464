"""What users give us is read as data: nothing reachable from their files can run code or make objects of any class."""

import ast
from pathlib import Path

import planner

PLANNER = Path(planner.__file__).parent
FORBIDDEN_MODULES = {"marshal", "shelve", "dill", "cloudpickle", "joblib", "code", "runpy"}
PICKLE_USERS = {
    "fleet/warm.py": "copies a source of this process as workers see it",
    "fleet/channel.py": "messages between two processes of ours over a pair of sockets",
    "fleet/driver.py": "finds out whether an error can be sent over it",
    "cli/dry_run.py": "measures the size of a result of this process",
}
"""Modules that may import pickle, and for what: bytes that this process has made itself."""
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_YAML = {"full_load", "unsafe_load", "load_all", "full_load_all", "unsafe_load_all", "safe_load_all"}
YAML_READERS = {
    "config/shipped.py": "files of the planner itself, by the safe loader",
    "config/yaml_nodes.py": "files of users, as events",
}


def modules():
    for path in sorted(PLANNER.rglob("*.py")):
        yield path.relative_to(PLANNER).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def called(tree):
    """Yield (object, name) of each call: ("yaml", "load"), ("", "eval")."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name):
                yield "", function.id
            elif isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
                yield function.value.id, function.attr


def test_no_module_can_run_what_it_reads():
    found = [(name, module) for name, tree in modules() for module in imports(tree) if module in FORBIDDEN_MODULES]
    assert found == []


def test_pickle_stays_where_its_bytes_are_our_own():
    users = {name for name, tree in modules() if "pickle" in imports(tree)}
    assert users <= set(PICKLE_USERS)


def test_nothing_is_evaluated():
    found = [
        (name, call)
        for name, tree in modules()
        for owner, call in called(tree)
        if (not owner and call in FORBIDDEN_CALLS) or (owner, call) in {("np", "load"), ("pd", "read_pickle")}
    ]
    assert found == []


def test_yaml_is_read_in_two_places():
    readers = {
        name for name, tree in modules() for call in called(tree) if call in {("yaml", "load"), ("yaml", "safe_load"),
                                                                             ("yaml", "parse"), ("yaml", "compose")}
    }  # fmt: skip
    assert readers == set(YAML_READERS)


def test_no_yaml_loader_that_makes_objects():
    names = {"Loader", "UnsafeLoader", "FullLoader", "CLoader", "CFullLoader", "CUnsafeLoader"}
    found = [
        (path, node.attr)
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in names | FORBIDDEN_YAML
    ]
    assert found == []


def test_parquet_is_read_in_one_place():
    """Elsewhere nobody looks at what a file declares before it is read."""
    readers = {
        name
        for name, tree in modules()
        for call in called(tree)
        if call in {("pq", "read_table"), ("pq", "ParquetFile")}
    }
    assert readers == {"parquet_files.py"}
