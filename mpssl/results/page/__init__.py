"""The parts of the page of all results: what it says, and its charts."""
