"""Classifiers from scikit-learn on tables of features."""
