"""What every room uses: errors, files, digests, entry points."""
