"""The command `mpssl`: main, arguments, steps (for the pipeline's rules), tools (for people)."""
