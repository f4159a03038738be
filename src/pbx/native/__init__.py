"""Kernels and state of the media engine; only ``pbx.media`` may import what is compiled here."""
