"""Model processes: all of a model's code runs in one, and none holds what a cell is scored with (docs/design.md 4.5).

`served` is what runs there; `messages` and `arrays` are what crosses the border; `process`, `remote` and `models` are
the driver's side.
"""
