"""What a monitor replica runs: commit, count, checkpoint, adopt."""
