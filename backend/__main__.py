"""``python -m backend``: a job's process, the warm worker, or any request from a shell."""

import sys

from .command_line import main

sys.exit(main(sys.argv[1:]))
