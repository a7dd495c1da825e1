"""Tests of the prompt room."""
