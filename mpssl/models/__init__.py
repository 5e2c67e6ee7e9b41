"""The classifier f = h o g and the frozen generator G_F."""
