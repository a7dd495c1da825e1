"""Experiments: pictures compared, settings compared, results proven."""

from __future__ import annotations
