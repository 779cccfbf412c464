"""How the kernels of the stack are compiled.

Reference counting is switched off: the kernels allocate nothing and get all arrays from outside, yet numba counts
references to every array of a bundle at every call. Without it a host under pressure runs five times as fast (0.97 s
against 0.18 s for 13,000 pages and 4,032 ticks) and compiles in three quarters of the time.
"""

from collections.abc import Callable
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel that allocates nothing.

    A private one (leading underscore) is called by other kernels alone and gets no wrapper to call it from Python:
    unpacking a whole stack in each wrapper took a third of the compile time.
    """
    return _compile(function, is_inlined=False)


def small_kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel of a few instructions: handing a bundle over would cost many times more than they do."""
    return _compile(function, is_inlined=True)


def _compile(function: Callable[..., Any], is_inlined: bool) -> Any:
    is_private = function.__name__.startswith("_")
    return njit(cache=True, _nrt=False, forceinline=is_inlined, no_cpython_wrapper=is_private)(function)  # type: ignore[call-overload]
