"""What Pacha means by each word of its command line. No click, no printing."""
