"""The training engine: many cells as one tensor program (docs/reports/performance.md)."""
