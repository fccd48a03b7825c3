"""What the parts of the simulated API share: persons, ids, clock, store, pages, errors, events."""
