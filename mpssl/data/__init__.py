"""Data sets: reading, packing, splitting."""
