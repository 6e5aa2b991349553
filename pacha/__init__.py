"""Pacha keeps the folders that matter on a host under version on a master, and puts them back."""

__version__ = "1.0"
