"""Tables of scores as pages, figures, Markdown and LaTeX."""
