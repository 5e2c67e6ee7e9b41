"""The machine that a job runs on: threads, GPU slots, repeatable operations, signals."""
