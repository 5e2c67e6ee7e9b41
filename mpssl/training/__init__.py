"""The paper: the loop, sources, objectives, the meta-gradient, views, streams, checkpoints."""
