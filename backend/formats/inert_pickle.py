"""Pickles of arrays, read without ever running what is in them.

A pickle is a program: it names functions and calls them. Here no name is looked up in any module. Each of the few
names that files of arrays need (NumPy, SciPy's sparse matrices, chumpy, PyTorch's tensors; ``ALLOWED``) stands for a
small class of this module that only remembers what it was given; any other name is refused with a sentence. What was
remembered becomes plain NumPy arrays afterwards, with every size checked against the bytes that are there. So neither
chumpy, SciPy nor torch need be installed, and NumPy's own name in the file (``numpy.core`` or ``numpy._core``) does not
matter.

Facts about the files: pickles of Python 2 hold their bytes as text, hence latin1; chumpy keeps an array in ``x``, and a
selection from another in ``a``, ``idxs`` and ``preferred_shape``; a tensor pickled by itself holds its storage as the
bytes of an older ``torch.save`` file.
"""

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import HeadError

LARGEST_BYTES = 2_000_000_000
MOST_DENSE = 200_000_000
"""Numbers that a sparse matrix may have when it is written out."""
DEEPEST = 16
"""How deep parts may nest; also what ends one that contains itself."""
FIRST_PLACES = 10_000
"""Places in the memo that a pickle may use from its beginning; further on, as many more as it has taken steps."""
STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}
TORCH_MAGIC = 0x1950A86A20F9469CFC6C
"""What a torch.save file of the older form begins with."""


def read_pickle(path: Path) -> object:
    """What a pickle holds, as dicts, lists, numbers, text and NumPy arrays.

    What cannot be made an array (chumpy's expressions beyond arrays and selections) stays an ``Opaque``, so that a
    part nobody needs does not spoil the rest; ``array`` tells about it when asked.

    Raises:
        HeadError: the file cannot be opened, is broken, or asks for anything beyond arrays.
    """
    return loads(_bytes_of(Path(path)), Path(path).name)


def read_npy(path: Path) -> object:
    """What an ``.npy`` holds: its array, or the objects that NumPy pickled into it. Raises HeadError."""
    path = Path(path)
    data = io.BytesIO(_bytes_of(path))
    try:
        version = np.lib.format.read_magic(data)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        dtype = read(data)[2]
        if not dtype.hasobject:
            data.seek(0)
            return np.load(data, allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError) as error:
        raise HeadError(f"{path.name} cannot be read as a NumPy array: {error}.") from error
    return loads(data.read(), path.name)


def loads(data: bytes, source: str) -> object:
    """What a pickle's bytes hold, as ``read_pickle`` gives it; ``source`` is its name in sentences."""
    try:
        return _plain(_load(io.BytesIO(data), source), {})
    except HeadError:
        raise
    except Exception as error:  # broken pickles fail in any way at all
        reason = str(error) or type(error).__name__
        raise HeadError(f"{source} is broken, or is no pickle of arrays: {reason}.") from error


def array(value: object, what: str) -> np.ndarray:
    """One part of what was read, as an array of numbers. Raises HeadError, naming the part."""
    if isinstance(value, Opaque):
        raise HeadError(f"{what} is a {value.name}, which holds no array that can be read.")
    found = np.asarray(value)
    if found.dtype.kind not in "biuf":
        raise HeadError(f"{what} is no array of numbers.")
    return found


class Opaque:
    """A part of a pickle that holds no array."""

    def __init__(self, name: str):
        self.name = name


def _load(file: io.BytesIO, source: str, storages: "dict[str, _Storage] | None" = None) -> object:
    """What one pickle, from where the file stands, remembers. ``storages`` takes a tensor's, in its own bytes only."""
    start = file.tell()
    # The unpickler allocates whatever a length or a place in its memo says, before it looks whether that is there.
    for steps, (code, argument, _) in enumerate(pickletools.genops(file)):
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > FIRST_PLACES + steps:
            raise ValueError(f"it remembers a part under the number {argument:,}")
    file.seek(start)
    return _Reader(file, source, storages).load()


class _Reader(pickle.Unpickler):
    """The standard unpickler, cut off from every module."""

    def __init__(self, file: io.BytesIO, source: str, storages: "dict[str, _Storage] | None"):
        super().__init__(file, fix_imports=False, encoding="latin1")
        self.source, self.storages = source, storages

    def find_class(self, module: str, name: str) -> object:
        if module == "chumpy" or module.startswith("chumpy."):
            return type("_Chumpy", (_Chumpy,), {"name": f"{module}.{name}"})
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if module == "torch.storage" and name == "_load_from_bytes":
            return _Function(lambda data: _storage_of(data, self.source))
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise HeadError(
                f"{self.source} was not read: it asks for {module}.{name}, which no file of arrays needs and which "
                "could run a program on this computer. Nothing of it was run; get the file from its makers again."
            ) from None

    def persistent_load(self, reference: object) -> object:
        # Only within the bytes of one tensor; there the numbers follow the pickle.
        if self.storages is None:
            raise HeadError(
                f"{self.source} was not read: it refers to data outside itself, as PyTorch's checkpoints do. "
                "Nothing of it was run; save it as arrays (.npz)."
            )
        kind, dtype, key, _, count, *_ = reference
        if kind != "storage" or dtype not in STORAGES.values():
            raise ValueError("a tensor's storage is of an unknown kind")
        return self.storages.setdefault(str(key), _Storage(np.dtype(dtype), int(count)))


class _Inert:
    """What stands for a class of the pickle's.

    Every one has ``__setstate__``: without it the unpickler would set attributes by itself, and a pickle that asks for
    that on a class, or a function, would change this module.
    """

    state: object = None
    """What the pickle set; on the class, as a pickle may make instances without ``__init__``."""

    def __init__(self, *_):
        pass

    def __setstate__(self, state: object) -> None:
        raise ValueError("it sets what cannot be set")


class _Function(_Inert):
    """What stands for a function of the pickle's."""

    def __init__(self, function: Callable):
        self.function = function

    def __call__(self, *arguments):
        return self.function(*arguments)


class _Dtype(_Inert):
    """numpy.dtype: a kind and a size, and the byte order in its state."""

    def __init__(self, kind: str, *_):
        self.kind, self.order = _text(kind), "|"

    def __setstate__(self, state: tuple) -> None:
        self.order = _text(state[1])

    def numeric(self) -> np.dtype:
        if not re.fullmatch(r"b1|[iu][1248]|f[248]|[SU]\d{1,4}", self.kind) or self.order not in "<>|=":
            raise ValueError(f"an array holds numbers of the unknown kind {self.kind!r}")
        return np.dtype(self.order + self.kind)


class _Array(_Inert):
    """numpy.ndarray: shape, kind, and bytes (or a list, where the kind is object)."""

    def __setstate__(self, state: tuple) -> None:
        self.state = tuple(state)[-4:]

    def plain(self, done: dict, depth: int) -> object:
        if self.state is None:
            raise ValueError("an array has no contents")
        shape, dtype, is_fortran, data = self.state
        if dtype.kind in ("O", "O4", "O8"):
            items = [_plain(item, done, depth + 1) for item in data]
            return items[0] if shape == () and len(items) == 1 else items
        return _filled(_binary(data), dtype.numeric(), shape, "F" if is_fortran else "C")


class _Sparse(_Inert):
    """A compressed sparse matrix of SciPy's."""

    by_column = False

    def __setstate__(self, state: object) -> None:
        self.state = state if isinstance(state, dict) else dict(zip(("_shape", "data", "indices", "indptr"), state))

    def plain(self, done: dict, depth: int) -> np.ndarray:
        state = {_text(key).lstrip("_"): _plain(value, done, depth + 1) for key, value in self.state.items()}
        rows, columns = (int(n) for n in state["shape"])
        data, indices, indptr = (np.asarray(state[key]).reshape(-1) for key in ("data", "indices", "indptr"))
        lines, across = (columns, rows) if self.by_column else (rows, columns)
        if min(rows, columns) < 0 or rows * columns > MOST_DENSE or len(indptr) != lines + 1:
            raise ValueError(f"a sparse matrix claims {rows} rows and {columns} columns")
        counts = np.diff(indptr.astype(np.int64))
        if (counts < 0).any() or counts.sum() != len(data) or len(indices) != len(data) or indptr[0] != 0:
            raise ValueError("a sparse matrix's rows do not add up")
        if len(indices) and (indices.min() < 0 or indices.max() >= across):
            raise ValueError("a sparse matrix has a number outside its shape")
        dense = np.zeros((lines, across), data.dtype)
        np.add.at(dense, (np.repeat(np.arange(lines), counts), indices.astype(np.int64)), data)
        return dense.T.copy() if self.by_column else dense


class _SparseByColumn(_Sparse):
    by_column = True


class _Chumpy(_Inert):
    """A node of chumpy's: an array ``x``, or a selection ``idxs`` from ``a``."""

    name = "chumpy object"

    def __setstate__(self, state: object) -> None:
        self.state = state

    def plain(self, done: dict, depth: int) -> object:
        state = {_text(key): value for key, value in (self.state or {}).items()}
        if "x" in state:
            return _plain(state["x"], done, depth + 1)
        if {"a", "idxs"} <= state.keys():
            whole = _plain(state["a"], done, depth + 1)
            if isinstance(whole, np.ndarray):
                chosen = whole.reshape(-1)[np.asarray(_plain(state["idxs"], done, depth + 1))]
                shape = _plain(state.get("preferred_shape"), done, depth + 1)
                return chosen if shape is None else chosen.reshape([int(n) for n in np.atleast_1d(shape)])
        return Opaque(self.name)


class _Storage(_Inert):
    """The numbers behind a tensor."""

    def __init__(self, dtype: np.dtype, count: int):
        self.dtype, self.count, self.numbers = dtype, count, None


class _Tensor(_Inert):
    """A view of a storage."""

    def __init__(self, storage: _Storage, offset: int, size: tuple, stride: tuple, *_):
        self.storage, self.offset, self.size, self.stride = storage, offset, tuple(size), tuple(stride)

    def plain(self, done: dict, depth: int) -> np.ndarray:
        numbers = self.storage.numbers
        size, stride = ([int(n) for n in part] for part in (self.size, self.stride))
        if numbers is None or len(size) != len(stride) or min([self.offset, *size, *stride]) < 0:
            raise ValueError("a tensor has no numbers")
        last = self.offset + sum((n - 1) * step for n, step in zip(size, stride))
        if math.prod(size) and (last >= len(numbers) or math.prod(size) > MOST_DENSE):
            raise ValueError("a tensor reaches beyond its numbers")
        if not math.prod(size):
            return np.zeros(size, numbers.dtype)
        steps = [step * numbers.itemsize for step in stride]
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], size, steps, writeable=False).copy()


def _storage_of(data: object, source: str) -> _Storage:
    """A storage from the bytes of a torch.save file of the older form: magic number, version, system, the storage's
    reference, keys, and for each key a count and the numbers."""
    file = io.BytesIO(_binary(data))
    if _load(file, source) != TORCH_MAGIC:
        raise ValueError("a tensor is stored in a form that is not known")
    for _ in ("version", "system"):
        _load(file, source)
    storages: dict[str, _Storage] = {}
    result = _load(file, source, storages)
    for key in _load(file, source):
        storage = storages[str(key)]
        count = int.from_bytes(file.read(8), "little")
        if count != storage.count:
            raise ValueError("a tensor's count is wrong")
        storage.numbers = _filled(file.read(count * storage.dtype.itemsize), storage.dtype, (count,), "C")
    if not isinstance(result, _Storage):
        raise ValueError("a tensor's storage is missing")
    return result


def _filled(data: bytes, dtype: np.dtype, shape: tuple, order: str) -> np.ndarray:
    """An array of the machine's own byte order; its shape must account for exactly the bytes that are there."""
    shape = tuple(int(n) for n in shape)
    if min([0, *shape]) < 0 or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"an array of the shape {shape} does not fit its {len(data):,} bytes")
    return np.frombuffer(data, dtype).reshape(shape, order=order).astype(dtype.newbyteorder("="))


def _plain(value: object, done: dict[int, object], depth: int = 0) -> object:
    """What was remembered, as plain objects. ``done`` has what is finished, by identity: parts may be shared, and
    a few of them nested in one another could otherwise grow without end."""
    if value is None or isinstance(value, str | bytes | bool | int | float | np.generic):
        return value
    if depth > DEEPEST:
        raise ValueError("its parts are nested too deeply")
    if id(value) not in done:
        if isinstance(value, dict):
            found = {_text(key): _plain(item, done, depth + 1) for key, item in value.items()}
        elif isinstance(value, list | tuple):
            found = type(value)(_plain(item, done, depth + 1) for item in value)
        elif isinstance(value, _Array | _Sparse | _Chumpy | _Tensor):
            found = value.plain(done, depth)
        else:
            found = Opaque(type(value).__name__.lstrip("_"))
        # The value is kept as well: its identity must not be given to another while this goes on.
        done[id(value)] = value, found
    return done[id(value)][1]


def _scalar(dtype: _Dtype, data: object) -> np.generic:
    return _filled(_binary(data), dtype.numeric(), (), "C")[()]


def _from_buffer(data: object, dtype: _Dtype, shape: tuple, order: str = "C") -> _Array:
    made = _Array()
    made.state = (shape, dtype, order == "F", data)
    return made


def _instance(kind: object, *_) -> object:
    """copyreg's way to make an instance."""
    if not (isinstance(kind, type) and issubclass(kind, _Chumpy | _Sparse)):
        raise ValueError("it makes an instance of something that is no array")
    return kind()


def _text(value: object) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def _binary(value: object) -> bytes:
    return value.encode("latin1") if isinstance(value, str) else bytes(memoryview(value))


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    """Protocol 2's way to keep bytes."""
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"its bytes are encoded as {encoding}")
    return text.encode("latin1")


def _bytes_of(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise HeadError(f"{path.name} is larger than {LARGEST_BYTES // 10**9} GB, which no head model is.")
        return path.read_bytes()
    except OSError as error:
        raise HeadError(f"{path.name} cannot be opened: {error.strerror or error}.") from error


ALLOWED: dict[tuple[str, str], object] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("collections", "OrderedDict"): _Function(dict),
    ("_codecs", "encode"): _Function(_encoded),
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch._utils", "_rebuild_tensor"): _Tensor,
    ("torch._utils", "_rebuild_parameter"): _Function(lambda tensor, *_: tensor),
}
"""(module, name) as a pickle has it → what stands for it here."""
for _core in ("numpy.core", "numpy._core"):
    ALLOWED[f"{_core}.multiarray", "_reconstruct"] = _Array
    ALLOWED[f"{_core}.multiarray", "scalar"] = _Function(_scalar)
    ALLOWED[f"{_core}.numeric", "_frombuffer"] = _Function(_from_buffer)
for _old in ("copyreg", "copy_reg"):
    ALLOWED[_old, "_reconstructor"] = _Function(_instance)
for _old in ("builtins", "__builtin__"):
    ALLOWED[_old, "object"] = _Inert
    ALLOWED[_old, "bytes"] = _Function(lambda: b"")
for _kind, _class in (("csc", _SparseByColumn), ("csr", _Sparse)):
    for _module in (f"scipy.sparse.{_kind}", f"scipy.sparse._{_kind}"):
        for _form in ("matrix", "array"):
            ALLOWED[_module, f"{_kind}_{_form}"] = _class
