"""Foreign inventories and traces -> fleet files, and nothing else."""
