"""The board: tables that are made of the entries alone."""
