"""Built-in motion: generators that make clips for any rig. docs/concepts/builtin-motion.md describes them."""
