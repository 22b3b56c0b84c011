"""What a model is asked to do: objectives of key joints, local phases, and objectives that a person writes."""
