"""File formats of motion, one file each."""
