"""Names of reading measures."""

DURATIONS = ("first-fixation", "gaze", "go-past", "total")  # ms, of words that were fixated
EVENTS = ("skipping", "regression-out", "regression-in")  # 0 or 1: their mean is a share
MEASURES = (*DURATIONS, *EVENTS)
