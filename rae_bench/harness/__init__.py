"""Running cells: plans, identity, one cell, worker processes, sweeps, tuning, and use of an adapted model."""
