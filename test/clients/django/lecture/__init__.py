"""A small project as the original was: consumers for lectures, and views that tell them something."""
