"""What turns the pages into a site, beyond what Sphinx and MyST do."""
