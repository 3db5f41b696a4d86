"""The head's topology: a grid of quads around the head with rings of quads let in at eyes, mouth and ears.

Columns run around the head from the front midline (0) over the person's left (LEFT_EAR) to the back midline
(COLUMNS / 2); rows run down from the crown's patch to the bust's edge. A rectangular block is left out of the grid at
each eye, the mouth and each ear, and filled with closed rings that follow the lids, the lips and the auricle. So the
connectivity never depends on the shape, and heads of other proportions correspond vertex by vertex.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

COLUMNS = 72
ROWS = 53
CROWN_CORNER = 10  # the crown's patch has its corners at columns 10, 26, 46 and 62


@dataclass(frozen=True)
class Block:
    """A rectangle of the grid, with the rings that fill it.

    Attributes:
        first_column, last_column: inclusive; negative columns lie on the person's right.
        first_row, last_row: inclusive.
        rings: closed rings inside the rectangle's edge; the last is zipped shut.
    """

    first_column: int
    last_column: int
    first_row: int
    last_row: int
    rings: int

    @property
    def loop(self) -> list[tuple[int, int]]:
        """(row, column) around the rectangle's edge: from the middle of its first column over the top and back."""
        middle = (self.first_row + self.last_row) // 2
        rows, columns = range(self.first_row, self.last_row + 1), range(self.first_column, self.last_column + 1)
        up = [(r, self.first_column) for r in range(middle, self.first_row, -1)]
        top = [(self.first_row, c) for c in columns]
        down = [(r, self.last_column) for r in rows[1:]]
        bottom = [(self.last_row, c) for c in reversed(columns[:-1])]
        rest = [(r, self.first_column) for r in range(self.last_row - 1, middle, -1)]
        return up + top + down + bottom + rest

    @property
    def half(self) -> int:
        """Place in the loop of the middle of the last column, opposite to its start."""
        return len(self.loop) // 2

    def mirrored(self) -> "Block":
        return Block(-self.last_column, -self.first_column, self.first_row, self.last_row, self.rings)


LEFT_EYE = Block(3, 13, 7, 15, 7)
RIGHT_EYE = LEFT_EYE.mirrored()
MOUTH = Block(-7, 7, 27, 35, 8)
LEFT_EAR = Block(21, 25, 8, 24, 10)
RIGHT_EAR = LEFT_EAR.mirrored()
BLOCKS = {
    "left_eye": LEFT_EYE, "right_eye": RIGHT_EYE, "mouth": MOUTH, "left_ear": LEFT_EAR, "right_ear": RIGHT_EAR,
}  # fmt: skip
EYEBALL_COLUMNS = 18
EYEBALL_ANGLES = np.radians([10.0, 19.0, 28.0, 38.0, 55.0, 80.0, 110.0, 145.0])


@dataclass(frozen=True)
class Template:
    """Connectivity of the built-in head.

    Attributes:
        grid: (ROWS, COLUMNS) int, vertex at each place or -1 inside a block.
        crown: (17, 21) int, the crown's patch with its edge: rows from front to back, columns from right to left.
        rings: block name → (rings, loop) int.
        eyeballs: "left"/"right" → (rings, columns) int, and their two poles (2,) under "left_poles"/"right_poles".
        quads: (Q, 4) int, outward by the right-hand rule; a quad with a repeated last vertex is a triangle.
        mirror: (V,) int, the vertex on the other side.
        vertex_count: V.
    """

    grid: np.ndarray
    crown: np.ndarray
    rings: dict[str, np.ndarray]
    eyeballs: dict[str, np.ndarray]
    quads: np.ndarray
    mirror: np.ndarray
    vertex_count: int

    @property
    def triangles(self) -> np.ndarray:
        """(F, 3) int32; the diagonals of mirrored quads are mirrored too."""
        quads = self.quads
        # A quad and its mirror image must be cut alike: the diagonal starts at the corner whose smaller index of the
        # pair (vertex, mirrored vertex) is least.
        key = np.minimum(quads, self.mirror[quads])
        flip = np.minimum(key[:, 0], key[:, 2]) > np.minimum(key[:, 1], key[:, 3])
        turned = np.where(flip[:, None], np.roll(quads, -1, axis=1), quads)
        triangles = np.concatenate([turned[:, [0, 1, 2]], turned[:, [0, 2, 3]]])
        distinct = (np.diff(np.sort(triangles, axis=1), axis=1) > 0).all(axis=1)
        return triangles[distinct].astype(np.int32)


def build() -> Template:
    """The template, always the same."""
    count = 0

    def new(*shape):
        nonlocal count
        indices = np.arange(count, count + int(np.prod(shape))).reshape(shape)
        count += indices.size
        return indices

    inside = np.zeros((ROWS, COLUMNS), bool)
    for block in BLOCKS.values():
        columns = np.arange(block.first_column + 1, block.last_column) % COLUMNS
        inside[block.first_row + 1 : block.last_row, columns] = True
    grid = np.full((ROWS, COLUMNS), -1)
    grid[~inside] = new(int((~inside).sum()))

    quads = []
    for r in range(ROWS - 1):
        for c in range(COLUMNS):
            d = (c + 1) % COLUMNS
            quad = [grid[r, c], grid[r + 1, c], grid[r + 1, d], grid[r, d]]
            if min(quad) >= 0 and not _covered(r, c):
                quads.append(quad)
    crown, crown_quads = _crown(grid, new)
    quads += crown_quads

    rings = {}
    for name, block in BLOCKS.items():
        edge = np.array([grid[r, c % COLUMNS] for r, c in block.loop])
        rings[name] = new(block.rings, len(edge))
        layers = [edge, *rings[name]]
        for outer, inner in pairwise(layers):
            after = np.roll(np.arange(len(edge)), -1)
            quads += np.stack([outer, inner, inner[after], outer[after]], axis=1).tolist()
        quads += zip_ring(rings[name][-1], block.half)

    eyeballs = {}
    for side in ("left", "right"):
        ball, poles = new(len(EYEBALL_ANGLES), EYEBALL_COLUMNS), new(2)
        eyeballs[side], eyeballs[side + "_poles"] = ball, poles
        after = np.roll(np.arange(EYEBALL_COLUMNS), -1)
        for outer, inner in pairwise(ball):
            quads += np.stack([outer, inner, inner[after], outer[after]], axis=1).tolist()
        front, back = np.full(EYEBALL_COLUMNS, poles[0]), np.full(EYEBALL_COLUMNS, poles[1])
        quads += np.stack([front, ball[0], ball[0][after], front], axis=1).tolist()
        quads += np.stack([ball[-1], back, ball[-1][after], ball[-1][after]], axis=1)[:, [0, 1, 2, 2]].tolist()

    mirror = _mirror(grid, crown, rings, eyeballs, count)
    return Template(grid, crown, rings, eyeballs, np.array(quads), mirror, count)


def _covered(row: int, column: int) -> bool:
    """Whether the quad below and beside this place lies in a block."""
    for block in BLOCKS.values():
        columns = np.arange(block.first_column, block.last_column) % COLUMNS
        if block.first_row <= row < block.last_row and column in columns:
            return True
    return False


def _crown(grid, new):
    """The patch on top of row 0: rows of it run from front to back, its columns from the right to the left."""
    across, deep = 2 * CROWN_CORNER, COLUMNS // 2 - 2 * CROWN_CORNER
    crown = np.full((deep + 1, across + 1), -1)
    span = np.arange(-CROWN_CORNER, CROWN_CORNER + 1)
    crown[0] = grid[0, span % COLUMNS]
    crown[-1] = grid[0, (COLUMNS // 2 - span) % COLUMNS]
    for i in range(1, deep):
        crown[i, -1] = grid[0, CROWN_CORNER + i]
        crown[i, 0] = grid[0, (-CROWN_CORNER - i) % COLUMNS]
    crown[1:-1, 1:-1] = new(deep - 1, across - 1)
    quads = np.stack([crown[:-1, :-1], crown[:-1, 1:], crown[1:, 1:], crown[1:, :-1]], axis=-1)
    return crown, quads.reshape(-1, 4).tolist()


def zip_ring(ring: np.ndarray, half: int) -> list[list[int]]:
    """Quads that close a ring flat: each vertex of its upper half to the one below it."""
    count = len(ring)
    upper = [ring[k] for k in range(half + 1)]
    lower = [ring[-k % count] for k in range(half + 1)]
    quads = [[upper[k], lower[k], lower[k + 1], upper[k + 1]] for k in range(1, half - 1)]
    ends = [[upper[0], lower[1], upper[1], upper[1]], [upper[half - 1], lower[half - 1], upper[half], upper[half]]]
    return quads + ends


def _mirror(grid, crown, rings, eyeballs, count):
    mirror = np.full(count, -1)
    flipped = grid[:, -np.arange(COLUMNS) % COLUMNS]
    mirror[grid[grid >= 0]] = flipped[grid >= 0]
    mirror[crown] = crown[:, ::-1]
    for name, block in BLOCKS.items():
        twin = name.replace("left", "*").replace("right", "left").replace("*", "right")
        # A mirrored block's loop starts at its first column, which is the other end of this one's.
        place = {spot: k for k, spot in enumerate(BLOCKS[twin].loop)}
        order = [place[(r, -c)] for r, c in block.loop]
        mirror[rings[name]] = rings[twin][:, order]
    for side, twin in (("left", "right"), ("right", "left")):
        mirror[eyeballs[side]] = eyeballs[twin][:, -np.arange(EYEBALL_COLUMNS) % EYEBALL_COLUMNS]
        mirror[eyeballs[side + "_poles"]] = eyeballs[twin + "_poles"]
    return mirror
