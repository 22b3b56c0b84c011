"""Formats of files with motion, one module a format, or a few, and what their readers and writers share."""
