"""From results to the PDF: numbers, lint, LaTeX."""
