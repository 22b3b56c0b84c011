"""Motion data: corpora, formats of files, imports of recordings, built-in motion."""
