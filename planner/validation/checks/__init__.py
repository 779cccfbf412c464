"""Checks, one file per mechanism. Each file has a table `CHECKS` of name -> function."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from planner.validation.base import Check


@cache
def load_checks() -> dict[str, Check]:
    """Gather the tables of all check modules, sorted by name.

    Raises
    ------
    ValueError
        Two modules have a check of one name.
    """
    found: dict[str, Check] = {}
    for module in iter_modules(__path__):
        for name, check in import_module(f"{__name__}.{module.name}").CHECKS.items():
            if name in found:
                raise ValueError(f'there are two checks "{name}", the second in {module.name}')
            found[name] = check
    return dict(sorted(found.items()))
