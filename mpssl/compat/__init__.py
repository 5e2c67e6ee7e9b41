"""Work-arounds of other packages and uses of their insides; each module says when to delete it."""
