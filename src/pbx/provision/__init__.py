"""Provisioning: desk phones fetch their settings over HTTP, each by an address that only it has."""
