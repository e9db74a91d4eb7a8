"""The report page and the figure, and what they show."""
