"""How well features predict responses: splits, regression, correlation, ceilings, layer scores."""
