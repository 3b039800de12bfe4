"""What the engine `slurm` is made of: its resource file, submissions on disk, SLURM's commands and a job's program."""
