"""Bundles of arrays that kernels take by reference.

A stack is a NamedTuple of about a hundred arrays. numba hands a NamedTuple over by value: every call in every kernel
passes some 700 machine words, and compiling that took minutes. A class marked `by_reference` is packed into one block
of memory where Python calls a kernel, and kernels hand over its address. Kernel source is the same for both.

Kernels cannot assign to fields, so fields are loaded as invariant: the compiler keeps them in registers over stores to
the arrays, as it does with values. docs/decisions/0008 has the alternatives and the measurements.
"""

import hashlib
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    intrinsic,
    lower_getattr_generic,
    models,
    register_model,
    typeof_impl,
    unbox,
)

T = TypeVar("T")
_BYTES = types.Array(types.uint8, 1, "C")
_NOTHING = np.empty(0, dtype=np.uint8)
_OPTIONS: Any = {"cache": True, "_nrt": False}


class Bundle(types.Type):
    """The type of a NamedTuple that is handed over by reference; `fields` are its names and types in order."""

    def __init__(self, class_name: str, fields: tuple[tuple[str, types.Type], ...]) -> None:
        self.fields = fields
        # The name of a type is part of the name of every function that takes it: a stack spelled out has thousands of
        # letters. Types of one name are one type, so the fields go into the name all the same.
        spelled = ", ".join(f"{name}: {field}" for name, field in fields)
        super().__init__(f"{class_name}.{hashlib.sha256(spelled.encode()).hexdigest()[:16]}")

    def index(self, name: str) -> int:
        """Return the place of a field, -1 if there is none of this name."""
        names = [field_name for field_name, _ in self.fields]
        return names.index(name) if name in names else -1


def by_reference(bundle_class: type[T]) -> type[T]:
    """Let kernels take instances of this NamedTuple class by reference. Use as a decorator."""

    def find_type(bundle: Any, context: Any) -> Bundle:
        fields = zip(bundle._fields, bundle, strict=True)
        return Bundle(bundle_class.__name__, tuple((name, typeof_impl(item, context)) for name, item in fields))

    typeof_impl.register(bundle_class, find_type)
    return bundle_class


def _content_type(manager: Any, kind: types.Type) -> Any:
    """Return how a value of this type lies in a packed bundle; bundles and tuples lie inside the one they are in."""
    if isinstance(kind, Bundle):
        return ir.LiteralStructType([_content_type(manager, field) for _, field in kind.fields])
    if isinstance(kind, types.BaseTuple):
        return ir.LiteralStructType([_content_type(manager, item) for item in _items(kind)])
    return manager.lookup(kind).get_data_type()


def _items(kind: Any) -> list[types.Type]:
    return list(kind)


@register_model(Bundle)
class _BundleModel(models.PrimitiveModel):
    """The address of a packed bundle."""

    def __init__(self, manager: Any, bundle: Bundle) -> None:
        super().__init__(manager, bundle, _content_type(manager, bundle).as_pointer())


@infer_getattr
class _BundleFields(AttributeTemplate):
    key = Bundle

    def generic_resolve(self, bundle: Any, name: Any) -> Any:  # type: ignore[override]
        index = bundle.index(name)
        return bundle.fields[index][1] if index >= 0 else None


@lower_getattr_generic(Bundle)
def _get_field(context: Any, builder: Any, bundle: Bundle, address: Any, name: str) -> Any:
    index = bundle.index(name)
    field = bundle.fields[index][1]
    place = cgutils.gep_inbounds(builder, address, 0, index)
    if isinstance(field, Bundle):
        return place
    return context.data_model_manager[field].from_data(builder, _load_invariant(builder, place))


def _load_invariant(builder: Any, place: Any) -> Any:
    """Load what never changes, part by part: parts that are not used cost nothing, and each is known as invariant."""
    kind = place.type.pointee
    if not isinstance(kind, ir.Aggregate):
        value = builder.load(place)
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
        return value
    value = ir.Constant(kind, ir.Undefined)
    for n in range(kind.count if isinstance(kind, ir.ArrayType) else len(kind.elements)):
        value = builder.insert_value(value, _load_invariant(builder, cgutils.gep_inbounds(builder, place, 0, n)), n)
    return value


@unbox(Bundle)
def _unbox_bundle(bundle: Bundle, instance: Any, c: Any) -> NativeValue:
    # Packing is a call to Python: compiled into every kernel that Python may call, it took half of the compile time.
    pack = c.pyapi.unserialize(c.pyapi.serialize_object(pack_bundle))
    packed = c.pyapi.call_function_objargs(pack, (instance,))
    c.pyapi.decref(pack)
    is_error = cgutils.is_null(c.builder, packed)
    address = cgutils.alloca_once_value(c.builder, c.context.get_constant_null(bundle))
    with c.builder.if_then(c.builder.not_(is_error)):
        data = c.context.make_array(_BYTES)(c.context, c.builder, c.unbox(_BYTES, packed).value).data
        c.builder.store(c.builder.bitcast(data, c.context.get_value_type(bundle)), address)
    return NativeValue(c.builder.load(address), is_error=is_error, cleanup=lambda: c.pyapi.decref(packed))


def pack_bundle(bundle: Any) -> np.ndarray:
    """Pack a bundle into bytes that hold its scalars and where its arrays are; the arrays stay where they are."""
    values = _plain(bundle)
    packed = np.empty(_write(_NOTHING, values), dtype=np.uint8)
    _write(packed, values)
    return packed


def _plain(item: Any) -> Any:
    return tuple(_plain(inner) for inner in item) if isinstance(item, tuple) else item


@intrinsic
def _content_bytes(_: Any, values: Any) -> Any:
    def lower(context: Any, _builder: Any, signature: Any, _args: Any) -> Any:
        content = _content_type(context.data_model_manager, signature.args[0])
        return ir.Constant(ir.IntType(64), context.get_abi_sizeof(content))

    return types.int64(values), lower


@intrinsic
def _write_content(_: Any, packed: Any, values: Any) -> Any:
    def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        manager = context.data_model_manager
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        place = builder.bitcast(data, _content_type(manager, signature.args[1]).as_pointer())
        _store(context, builder, signature.args[1], args[1], place)
        return context.get_dummy_value()

    return types.void(packed, values), lower


def _store(context: Any, builder: Any, kind: types.Type, value: Any, place: Any) -> None:
    if not isinstance(kind, types.BaseTuple):
        builder.store(context.data_model_manager[kind].as_data(builder, value), place)
        return
    for n, item in enumerate(_items(kind)):
        _store(context, builder, item, builder.extract_value(value, n), cgutils.gep_inbounds(builder, place, 0, n))


@njit(**_OPTIONS)
def _write(packed, values):
    """Write the values if there is room for them. Returns the bytes they take."""
    if packed.size >= _content_bytes(values):
        _write_content(packed, values)
    return _content_bytes(values)
