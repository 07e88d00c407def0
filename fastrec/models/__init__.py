"""Estimators with scikit-learn's habits: what was given to the constructor is kept, what was learned ends in ``_``."""
