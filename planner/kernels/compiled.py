"""How the kernels of the stack are compiled.

Reference counting is switched off: the kernels allocate nothing and get all arrays from outside, yet numba counts
references to every array at every call. Without it a host under pressure ran five times as fast (0.97 s against 0.18 s
for 13,000 pages and 4,032 ticks) and compiled in three quarters of the time.

A kernel is compiled in two ways: as a part, for the kernels that call it, and as a whole, once Python calls it. See
`linking`.
"""

from collections.abc import Callable
from typing import Any

from numba import njit, types

from planner.kernels.linking import PartCompiler, WholeCompiler


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel that allocates nothing."""
    return _compile(function, is_inlined=False)


def small_kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel of a few instructions straight into its callers."""
    return _compile(function, is_inlined=True)


def _compile(function: Callable[..., Any], is_inlined: bool) -> Any:
    options: Any = {"_nrt": False, "forceinline": is_inlined, "no_cfunc_wrapper": True}
    part_options: Any = options | {"pipeline_class": PartCompiler, "no_cpython_wrapper": True}
    whole_options: Any = options | {"pipeline_class": WholeCompiler, "cache": True}
    part: Any = njit(**part_options)(function)
    whole: Any = njit(**whole_options)(function)
    find_call = part.get_call_template

    def find_plain_call(args: Any, kws: Any) -> Any:
        # numba compiles a kernel anew for every constant and width of integer that another kernel calls it with.
        return find_call([_plain(arg) for arg in args], kws)

    whole.part, whole.get_call_template, whole.get_overload = part, find_plain_call, part.get_overload
    return whole


def _plain(kind: Any) -> Any:
    plain = types.unliteral(kind)
    return types.int64 if plain == types.int32 else plain
