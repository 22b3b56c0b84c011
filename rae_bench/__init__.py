"""rae-bench: transfer learning of motion synthesis across character rigs."""
