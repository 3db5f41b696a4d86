"""A random model of FLAME's shape, and files as FLAME comes in, made here: synthetic, nobody's data."""

import io
import pickle
import struct
import sys
from types import ModuleType

import numpy as np

from backend.formats.flame_model import JOINTS, FlameModel, Landmarks, scheme_68

PARENTS = (-1, 0, 1, 1, 1)


def example_model(vertices=48, identity=300, expression=100, seed=0, name="example") -> FlameModel:
    """A model with FLAME's five joints; its numbers are about as large as FLAME's."""
    rng = np.random.default_rng(seed)
    faces = np.stack([rng.permutation(vertices)[:3] for _ in range(2 * vertices)]).astype(np.int32)

    def points(count, *rows):
        weights = rng.dirichlet(np.ones(3), (*rows, count))
        return rng.integers(0, len(faces), (*rows, count)), weights

    return FlameModel(
        name=name,
        template=rng.uniform(-0.12, 0.12, (vertices, 3)),
        faces=faces,
        identity=rng.normal(0, 1e-3, (vertices, 3, identity)),
        expression=rng.normal(0, 1e-3, (vertices, 3, expression)),
        pose_correctives=rng.normal(0, 2e-3, (vertices, 3, 36)),
        joint_regressor=rng.dirichlet(np.full(vertices, 0.1), 5),
        weights=rng.dirichlet(np.full(5, 0.5), vertices),
        parents=np.array(PARENTS),
        joint_names=JOINTS,
        identity_names=tuple(f"identity {i + 1}" for i in range(identity)),
        expression_names=tuple(f"expression {i + 1}" for i in range(expression)),
        regions={"face": np.arange(10, 30), "scalp": np.arange(5)},
        landmarks={
            "static": Landmarks(*points(51), scheme_68()[17:]),
            "full": Landmarks(*points(68), scheme_68()),
            "mediapipe": Landmarks(*points(105)),
        },
        contour=Landmarks(*points(17, 79), scheme_68()[:17]),
    )


def random_parameters(model: FlameModel, count: int, seed=1, angle=0.6) -> dict[str, np.ndarray]:
    """Parameters of ``count`` heads, float64, as the layer takes them."""
    rng = np.random.default_rng(seed)
    return {
        "identity": rng.normal(0, 1, (count, model.identity.shape[2])),
        "expression": rng.normal(0, 1, (count, model.expression.shape[2])),
        "pose": rng.normal(0, angle, (count, len(model.parents), 3)),
        "translation": rng.normal(0, 0.1, (count, 3)),
        "scale": rng.uniform(0.8, 1.2, count),
    }


def flame_keys(model: FlameModel) -> dict[str, object]:
    """A model as FLAME's own files have it: float64, one basis of shapes, a root whose parent is the uint32 -1."""
    from scipy import sparse  # Blender's Python, which uses the rest of this module, has none

    double = np.float64
    return {
        "v_template": model.template.astype(double),
        "f": model.faces.astype(np.uint32),
        "shapedirs": np.concatenate([model.identity, model.expression], axis=2).astype(double),
        "posedirs": model.pose_correctives.astype(double),
        "J_regressor": sparse.csc_matrix(model.joint_regressor.astype(double)),
        "kintree_table": np.array([[p % 2**32 for p in PARENTS], range(len(PARENTS))], np.uint32),
        "weights": model.weights.astype(double),
        "J": (model.joint_regressor @ model.template).astype(double),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


class FakeChumpy:
    """chumpy's two classes that FLAME's files hold, under their names for as long as something is pickled."""

    def __init__(self):
        module, reordering = ModuleType("chumpy.ch"), ModuleType("chumpy.reordering")
        module.Ch = type("Ch", (), {"__module__": "chumpy.ch"})
        reordering.Select = type("Select", (), {"__module__": "chumpy.reordering"})
        module.Sum = type("Sum", (), {"__module__": "chumpy.ch"})
        self.modules = {"chumpy": ModuleType("chumpy"), "chumpy.ch": module, "chumpy.reordering": reordering}

    def __enter__(self):
        assert not self.modules.keys() & sys.modules.keys()
        sys.modules.update(self.modules)
        return self

    def __exit__(self, *_):
        for name in self.modules:
            del sys.modules[name]

    def array(self, values: np.ndarray):
        node = self.modules["chumpy.ch"].Ch()
        node.__dict__ |= {"x": values, "_dirty_vars": [], "_itr": None, "_depends_on_deps": False}
        return node

    def selection(self, values: np.ndarray):
        """The same values as a selection from a shuffled array."""
        order = np.random.default_rng(7).permutation(values.size)
        shuffled = np.empty(values.size)
        shuffled[order] = values.reshape(-1)
        node = self.modules["chumpy.reordering"].Select()
        node.__dict__ |= {"a": self.array(shuffled), "idxs": order, "preferred_shape": values.shape}
        return node


class _Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 did, as a string that knows no encoding."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value):
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes


def python2_pickle(values: object) -> bytes:
    """A pickle as Python 2 and an old NumPy and SciPy wrote it."""
    file = io.BytesIO()
    _Python2Pickler(file, protocol=2, fix_imports=True).dump(values)
    data = file.getvalue()
    for new, old in ((b"numpy._core.", b"numpy.core."), (b"scipy.sparse._csc\n", b"scipy.sparse.csc\n")):
        data = data.replace(new, old)
    return data
