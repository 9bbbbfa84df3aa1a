"""What interfaces have in common that are asked over HTTP."""
