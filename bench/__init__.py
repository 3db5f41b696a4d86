"""Benches: what Maquette's figures are measured with. `python build.py bench NAME`; no part of the extension.

A bench is a module of this package with ``HELP`` (one line), ``add_options(parser)`` and ``run(options)``, entered in
``BENCHES``.
"""

BENCHES = {"hair": "bench.hair"}
