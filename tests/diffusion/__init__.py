"""Tests of ra_widgets.diffusion."""
