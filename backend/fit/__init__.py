"""Fitting a head model of FLAME's kind: to a scan with landmarks, and to photographs."""
