"""From tables to cells to runs, where their files are, and what they cost. Imports no torch."""
