"""Model processes: all of a model's code runs in one, and none holds what a cell is scored with.

docs/develop/design.md 4.5 is the contract.

`served` is what runs there; `messages` and `arrays` are what crosses the border; `process`, `remote` and `models` are
the driver's side.
"""
