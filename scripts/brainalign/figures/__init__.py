"""Figures: tables in, a matplotlib figure out, in one style.

1. `style`: colours, markers, sizes, and panels that say why nothing can be shown.
2. `order`, `paging`, `spans`, `forest`, `scatter`, `curves`, `ceilings`: rows, pages, axes, kinds
   of panels.
3. `alignment`, `improvement`, `behavior` … : one module per figure, named like its file.
4. `dataset_page`: the page of a dataset.
5. `captions`, `html`, `pages`, `report`, `explore`: the report, its tables, points to hover over.
"""
