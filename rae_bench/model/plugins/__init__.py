"""Plug-ins: models in files of their own. What identifies one, how it is loaded, and how it travels."""
