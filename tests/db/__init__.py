"""Tests of core.db and the migrations."""
