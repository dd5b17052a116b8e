// On paper the statistics are in view.
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll(".question details")) fold.open = true;
});
