"""Figures."""


def figures():
    return []
