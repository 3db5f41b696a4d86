"""Colours of a mesh from photographs of it: which view each part takes, seams levelled, a picture in the mesh's UVs."""
