"""Motion data: corpora, file formats, import of recordings, and generators of built-in motion."""
