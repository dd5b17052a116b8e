"""The study as its config states it: checked, resolved, and the code behind each rule."""
