"""Explanations as pictures, JSON and HTML. Scores are raw everywhere else; only here are they scaled for the eye."""
