"""One training run as a job: gather its inputs, train, write its record."""
