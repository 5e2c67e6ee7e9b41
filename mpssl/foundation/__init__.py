"""The generator G_F and the foundation classifier f_F, where we train them ourselves."""
