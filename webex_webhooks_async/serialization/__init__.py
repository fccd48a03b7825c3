"""Between JSON and classes: the converter, its hooks, the reader of models, and strict JSON."""
