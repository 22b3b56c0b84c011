"""Tasks: what is trained and tested on what, with how much data and how many updates."""
