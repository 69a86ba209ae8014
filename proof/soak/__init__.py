"""The soak: many processes and every mode, for hours, with faults at random, and a full audit."""
