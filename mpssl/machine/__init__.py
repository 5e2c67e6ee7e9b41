"""The machine a job runs on: threads, GPU slots, repeatable operations, signals."""
