"""Generative semi-supervised learning: classifiers from few labels and a frozen generator."""
