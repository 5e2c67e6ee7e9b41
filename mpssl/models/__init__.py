"""The classifier f = h o g, the frozen generator G_F, and their files."""
