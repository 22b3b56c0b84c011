"""From a folder of recordings to a domain, with what is wrong with it."""
