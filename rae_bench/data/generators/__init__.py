"""Built-in motion: generators that make clips for any rig. docs/builtin-motion.md describes them."""
