"""What Maquette's figures are measured with, and the sample made. `python build.py bench NAME`; not in the zip.

A bench is a module of this package with ``HELP`` (one line), ``add_options(parser)`` and ``run(options)``, entered in
``BENCHES``.
"""

BENCHES = {
    "hair": "bench.hair",
    "flame": "bench.flame",
    "scan-fit": "bench.scan_fit",
    "photo-fit": "bench.photo_fit",
    "sample": "bench.sample_capture",
    "strands": "bench.strands",
    "capture": "bench.capture",
    "detail": "bench.detail",
    "detail-layout": "bench.detail_layout",
    "detail-animation": "bench.detail_animation",
    "head": "bench.head",
    "head-ablation": "bench.head_ablation",
    "head-bakes": "bench.head_bakes",
}
