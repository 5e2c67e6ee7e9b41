"""The generator G_F and the foundation classifier f_F that are trained here."""
