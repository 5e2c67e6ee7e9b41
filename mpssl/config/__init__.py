"""The configuration of an experiment, typed and closed: one module a section, and its reader."""
