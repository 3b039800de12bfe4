"""Looking after a machine and its folders."""
