"""What a path is: names, metadata, scanning, owners. No network, no database."""
