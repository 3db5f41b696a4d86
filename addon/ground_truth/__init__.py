"""Ground truth: captures of hair and heads rendered with Cycles, with everything about them known.

What is written: images, antialiased masks, depth, semantic labels, landmarks and cameras, and under ``ground_truth/``
the strands as evaluated, the head, and the outer surface of both.
"""
