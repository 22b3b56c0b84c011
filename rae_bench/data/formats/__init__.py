"""Formats of files with motion, one module a format, and what their readers and writers share."""
