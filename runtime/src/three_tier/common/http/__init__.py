"""What tiers have in common that are asked over HTTP."""
