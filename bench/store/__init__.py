"""What is kept: folders, checkpoints, failures, records."""
