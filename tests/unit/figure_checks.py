"""What a reader would see at once: words on top of each other, words cut off, tiny print."""

import itertools

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def words(figure: Figure) -> list[Text]:
    """Every text of a figure that has been drawn, ticks outside an axis' range left out."""
    result: list[Text] = list(figure.texts)
    result += [text for legend in figure.legends for text in legend.get_texts()]
    if figure._suptitle is not None:
        result.append(figure._suptitle)
    for axes in figure.axes:
        if not axes.axison:
            result += axes.texts
            continue
        result += _of_axes(axes)
    unique = {id(text): text for text in result}
    return [text for text in unique.values() if text.get_visible() and text.get_text().strip()]


def _of_axes(axes: Axes) -> list[Text]:
    actual = [*axes.texts, axes.title, axes._left_title, axes._right_title]
    for axis in (axes.xaxis, axes.yaxis):
        actual.append(axis.label)
        actual += [tick.label1 for tick in axis._update_ticks() if tick.label1.get_visible()]
    if axes.get_legend() is not None:
        actual += axes.get_legend().get_texts()
    return actual


def extent(text: Text) -> Bbox:
    """The bounds of the words alone, in pixels, without the arrow that an annotation may have."""
    return Text.get_window_extent(text)


def collisions(figure: Figure, slack: float = 1.0) -> list[tuple[str, str]]:
    """Pairs of texts that overlap by more than `slack` points in both directions."""
    pixel = slack * figure.dpi / 72
    boxes = [(text.get_text(), extent(text)) for text in words(figure)]
    measured = []
    for (one, a), (two, b) in itertools.combinations(boxes, 2):
        width = min(a.x1, b.x1) - max(a.x0, b.x0)
        height = min(a.y1, b.y1) - max(a.y0, b.y0)
        if width > pixel and height > pixel:
            measured.append((one, two))
    return measured


def cut_off(figure: Figure, slack: float = 2.0) -> list[str]:
    """Texts that leave the sheet by more than `slack` points."""
    sheet, pixel = figure.bbox, slack * figure.dpi / 72
    seen = []
    for text in words(figure):
        box = extent(text)
        if (
            box.x0 < sheet.x0 - pixel
            or box.x1 > sheet.x1 + pixel
            or box.y0 < sheet.y0 - pixel
            or box.y1 > sheet.y1 + pixel
        ):
            seen.append(text.get_text())
    return seen


def said(figure: Figure) -> str:
    """All texts of a figure, one a line, line breaks inside a text as blanks."""
    return "\n".join(
        text.get_text().replace("\n", " ").replace("\u00a0", " ") for text in words(figure)
    )


def texts(figure: Figure) -> str:
    """`said` of a figure that has not been drawn."""
    figure.draw_without_rendering()
    return said(figure)


def panels(figure: Figure) -> list[tuple[str, str]]:
    """Every headed panel: its title, and all that stands in it and at its axes, ticks left out."""
    shown = []
    for axes in figure.axes:
        title = axes.get_title(loc="left")
        if axes.axison and title:
            texts = [title, *(text.get_text() for text in axes.texts)]
            texts += [axes.get_xlabel(), axes.get_ylabel()]
            shown.append((title, "\n".join(texts).replace("\u00a0", " ")))
    return shown
