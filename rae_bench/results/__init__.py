"""Results on disk, and the rows of tables that are made of them."""
