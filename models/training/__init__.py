"""The recipe that trains the embedded bilingual model: ``python -m models.training --help``."""
