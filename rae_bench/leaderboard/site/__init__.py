"""The board as pages: static files that open from disk and ask nothing of the network."""
