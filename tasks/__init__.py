"""One TOML file per task."""
