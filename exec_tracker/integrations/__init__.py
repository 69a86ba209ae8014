"""Where backends meet the tracker; each module needs the extra of its name and says so."""
