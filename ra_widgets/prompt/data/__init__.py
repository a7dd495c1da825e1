"""Word lists of the prompt room; see README.md for where they come from and their licences."""
