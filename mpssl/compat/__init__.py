"""Work-arounds of other packages, each to be deleted one day."""
