"""Hairstyles by rule: strands grown on a head's scalp by a direction field, then gathered, curled and roughened.

They are the grooms that ground truth is rendered from, and what an artist can start a groom with.
"""

from .hairstyle import Hairstyle, make_hairstyle
from .scenes import SCENES, Scene
from .style import STYLES, Style
