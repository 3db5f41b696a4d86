"""How faces differ: the named features of a head, each as a field of displacements for one standard deviation.

Hills as in ``expressions``: (place, reach, displacement) in mm of the built-in head (Z up, looking along -Y, its left
at +X), mirrored where the place is not on the midline. Their standard deviations and correlations are estimates, judged
by eye; only the measures (``anthropometry``) are published.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Feature:
    """A feature of one standard deviation.

    Attributes:
        hills: what it does.
        sex: its correlation with being male.
        age: its correlation with age.
    """

    hills: tuple
    sex: float = 0.0
    age: float = 0.0


def _f(*hills, sex=0.0, age=0.0):
    return Feature(hills, sex, age)


FEATURES = {
    "nose bridge": _f(((0, -100, 8), (9, 18, 15), (0, -1.6, 0)), sex=0.3),
    "nose hump": _f(((0, -106, 3), (5, 12, 6), (0, -1.2, 0)), sex=0.2, age=0.1),
    "nose root depth": _f(((0, -94, 20), (11, 18, 8), (0, 1.2, 0)), sex=0.1),
    "nose root breadth": _f(((8, -90, 18), (5, 10, 10), (1.0, 0, 0)), sex=0.2),
    "nose bridge breadth": _f(((8, -98, 0), (5, 12, 11), (1.0, 0.1, 0)), sex=0.2),
    "nose tip forward": _f(
        ((0, -112, -13), (14, 18, 14), (0, -1.2, 0)), ((0, -104, 2), (10, 18, 15), (0, -0.6, 0)), sex=0.3, age=0.1
    ),
    "nose tip up": _f(((0, -115, -15), (11, 14, 9), (0, 0.2, 1.6)), sex=-0.2, age=-0.3),
    "nose tip breadth": _f(((6, -113, -15), (5, 9, 6), (1.2, 0, 0)), sex=0.2, age=0.1),
    "nose wings up": _f(((13, -100, -19), (5, 10, 5), (0, 0, 1.1))),
    "columella down": _f(((0, -106, -22), (5, 10, 4), (0, 0, -1.0)), age=0.1),
    "mouth height": _f(((0, -96, -44), (30, 26, 12), (0, 0, -1.4)), sex=0.1, age=0.1),
    "upper lip fullness": _f(((0, -101, -37.5), (17, 16, 4), (0, -0.9, 1.3)), sex=-0.1, age=-0.4),
    "lower lip fullness": _f(((0, -99, -51), (17, 16, 4.5), (0, -0.9, -1.4)), sex=-0.1, age=-0.4),
    "lips forward": _f(((0, -99, -44), (22, 22, 13), (0, -1.9, 0)), age=-0.2),
    "mouth corners up": _f(((25, -86, -44), (8, 18, 6), (0, 0, 1.1)), age=-0.3),
    "cupid's bow": _f(((5, -100, -36), (3.6, 10, 3.2), (0, -0.2, 0.7)), age=-0.2),
    "fold above the chin": _f(((0, -90, -62), (15, 14, 5.5), (0, 1.3, 0))),
    "chin forward": _f(((0, -82, -82), (24, 28, 18), (0, -2.8, 0)), sex=0.3),
    "chin height": _f(((0, -80, -90), (28, 30, 15), (0, 0, -2.2)), sex=0.3),
    "chin breadth": _f(((14, -76, -84), (10, 18, 15), (2.6, 0, 0)), sex=0.5),
    "jaw angle breadth": _f(((56, -18, -50), (18, 28, 22), (2.5, 0, 0)), sex=0.4),
    "jaw angle height": _f(((52, -14, -60), (18, 24, 17), (0, 0, -2.6)), sex=0.4),
    "jaw edge": _f(((38, -50, -78), (17, 24, 11), (1.1, 0, -1.2)), sex=0.3, age=-0.2),
    "lower face forward": _f(((0, -80, -60), (48, 44, 32), (0, -2.4, 0))),
    "face forward": _f(((0, -95, -25), (48, 50, 48), (0, -3.0, 0))),
    "cheekbones forward": _f(((40, -72, -6), (15, 20, 11), (0.9, -2.1, 0)), sex=-0.1, age=-0.1),
    "cheekbones out": _f(((62, -34, -6), (15, 24, 14), (1.7, -0.5, 0))),
    "cheek fullness": _f(((44, -58, -36), (18, 30, 22), (2.1, -1.6, 0)), sex=-0.1, age=-0.3),
    "fat": _f(
        ((50, -32, -48), (22, 34, 28), (2.8, -0.8, 0)),
        ((22, -50, -98), (30, 32, 15), (0.8, -1.2, -3.2)),
        ((40, -64, -30), (21, 26, 22), (1.2, -1.6, 0)),
        ((46, 30, -90), (26, 60, 40), (3.6, 2.0, 0)),
        age=0.2,
    ),
    "jowls": _f(((34, -58, -77), (13, 20, 12), (1.4, -0.6, -1.8)), age=0.6),
    "fold beside the nose": _f(
        ((20, -92, -30), (4, 12, 9), (-0.5, 1.0, 0)), ((29, -85, -27), (7, 14, 10), (0.3, -1.2, -0.6)), age=0.6
    ),
    "eyes up": _f(((31, -78, 16), (19, 26, 15), (0, 0, 1.2))),
    "eyes deep": _f(((31, -74, 16), (19, 28, 15), (0, 1.4, 0)), sex=0.3, age=0.2),
    "eyes slanted": _f(((45.5, -74, 15.7), (8, 16, 7), (0, 0, 1.4)), sex=-0.2, age=-0.2),
    "inner corners up": _f(((16.7, -79, 14), (5, 14, 5), (0, 0, 0.7))),
    "lid hooded": _f(((35, -83, 25.5), (14, 14, 4.5), (0, -1.1, -1.9)), age=0.4),
    "bags under the eyes": _f(((32, -79, 3), (13, 12, 4.5), (0, -1.0, -0.7)), age=0.6),
    "brows up": _f(((30, -88, 33), (30, 24, 9), (0, 0, 2.0)), sex=-0.4, age=-0.2),
    "brow arch": _f(((39, -82, 36), (9, 20, 9), (0, 0, 1.7)), ((18, -92, 33), (8, 20, 8), (0, 0, -0.9)), sex=-0.3),
    "brow thickness": _f(
        ((30, -88, 41), (26, 24, 4), (0, 0, 1.3)), ((30, -86, 31), (26, 24, 3.5), (0, 0, -0.8)), sex=0.5
    ),
    "brow ridge": _f(((26, -90, 35), (26, 22, 9), (0, -1.7, -0.4)), sex=0.6),
    "glabella": _f(((0, -94, 33), (13, 18, 10), (0, -1.1, 0)), sex=0.5),
    "brow's end up": _f(((47, -72, 30), (11, 18, 8), (0, 0, 1.6)), sex=-0.3, age=-0.3),
    "temples full": _f(((62, -50, 36), (13, 24, 20), (1.9, -0.3, 0)), age=-0.3),
    "forehead slope": _f(((0, -84, 74), (50, 38, 28), (0, 2.5, 0)), sex=0.4),
    "forehead breadth": _f(((48, -62, 62), (24, 32, 28), (2.6, -0.7, 0))),
    "forehead bosses": _f(((22, -84, 62), (17, 20, 15), (0, -1.4, 0)), sex=-0.4),
    "crown height": _f(((0, 0, 129), (90, 100, 50), (0, 0, 4.4))),
    "occiput": _f(((0, 95, 30), (62, 48, 42), (0, 4.8, 0))),
    "nape": _f(((0, 72, -20), (52, 42, 34), (0, 3.4, 0)), sex=0.2),
    "parietal breadth": _f(((70, 30, 70), (32, 60, 42), (2.6, 0, 0))),
    "back of the crown": _f(((0, 55, 108), (72, 52, 38), (0, 1.0, 3.6))),
    "larynx": _f(((0, -28, -118), (9, 20, 12), (0, -2.2, 0)), sex=0.7),
    "trapezius": _f(((62, 50, -140), (42, 55, 34), (3.0, 0, 6.0)), sex=0.5),
    "shoulders": _f(((95, 30, -175), (55, 70, 40), (3.4, 0, 3.0)), sex=0.4),
    "throat": _f(((0, -45, -102), (30, 28, 16), (0, -2.4, -3.8)), age=0.5),
    "neck forward": _f(((0, 10, -150), (120, 120, 50), (0, 4.0, 0)), age=-0.2),
}

ASYMMETRIES = {
    "nose aside": _f(((0, -108, -8), (13, 24, 17), (1.3, 0, 0))),
    "nose tip aside": _f(((0, -115, -15), (9, 14, 8), (0.9, 0, 0))),
    "mouth aside": _f(((0, -96, -44), (28, 26, 13), (1.1, 0, 0))),
    "chin aside": _f(((0, -78, -80), (34, 36, 24), (1.8, 0, 0))),
    "face bent": _f(((0, -80, -30), (60, 60, 50), (1.5, 0, 0))),
    "head askew": _f(((0, 80, 50), (90, 60, 70), (2.4, 0, 0))),
}
"""Not mirrored: what bends the midline."""

ONE_SIDED = 0.16
"""Standard deviation of half the difference between the sides, as a part of the feature's own."""
