"""FLAME's kind of head model as a differentiable layer, and what is fitted with it."""
