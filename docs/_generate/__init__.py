"""What the programs in docs/ that write pages are made of."""
