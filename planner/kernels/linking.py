"""Kernels that other kernels call are compiled as parts: optimised and turned into machine code once, in their callers.

numba optimises every function together with all that it calls, and makes machine code of it, before it goes on with the
function's caller: what lies ten calls deep was optimised ten times. A part stops at the code that numba generates; the
kernel that Python calls links all parts it needs, however deep, and is optimised as one.
"""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler


class _Part(JITCodeLibrary):
    """Code of a kernel that is called by others alone: never optimised on its own, no machine code, no address."""

    codegen = SimpleNamespace(set_env=lambda _name, _environment: None)
    """What is not loaded has no place for an environment; kernels need none, as where they come from the cache."""

    def finalize(self) -> None:
        self._raise_if_finalized()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        return 0

    def get_own_module(self) -> Any:
        """Return the code of this part without those that it needs."""
        return super()._get_module_for_linking()

    def _get_module_for_linking(self) -> Any:
        """Return code that is whole by itself, for functions that numba compiles in its own way."""
        module = self.get_own_module().clone()
        for library in _link_parts(module, self._linking_libraries):
            module.link_in(library._get_module_for_linking(), preserve=True)
        return module


class _Whole(JITCodeLibrary):
    """Code of a kernel that Python calls, with all parts that it needs."""

    def finalize(self) -> None:
        self._linking_libraries = _link_parts(self._final_module, self._linking_libraries)
        super().finalize()


def _link_parts(module: Any, libraries: Iterable[Any]) -> list[Any]:
    """Link the parts among some libraries, and what these need, into `module`. Returns the libraries that remain."""
    found, waiting = {}, list(libraries)
    while waiting:
        library = waiting.pop()
        if library not in found:
            found[library] = isinstance(library, _Part)
            if isinstance(library, _Part):
                module.link_in(library.get_own_module(), preserve=True)
                waiting += library._linking_libraries
    return [library for library, is_part in found.items() if not is_part]


class _LibraryCompiler(Compiler):
    library_class: type[JITCodeLibrary]

    def define_pipelines(self) -> Any:
        """Let numba's own passes fill a library of ours."""
        state = self.state
        state.library = self.library_class(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return super().define_pipelines()


class PartCompiler(_LibraryCompiler):
    """Compiles a kernel for its callers among the kernels."""

    library_class = _Part


class WholeCompiler(_LibraryCompiler):
    """Compiles a kernel for Python."""

    library_class = _Whole
