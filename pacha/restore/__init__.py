"""How a tree is put back: plan, apply, journal."""
