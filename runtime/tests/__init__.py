"""Tests of the runtime: `npm test` runs them, or pytest in the folder above."""
