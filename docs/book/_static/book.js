// The theme makes wide boxes reachable by the keyboard, so that arrow keys can scroll them; not these.
document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll(".output, math[display=block], .pst-scrollable-table-container")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
});

// The arrows that unfold a part of the contents have no name of their own.
document.addEventListener("DOMContentLoaded", () => {
  for (const arrow of document.querySelectorAll("summary")) {
    const entry = arrow.closest("li")?.querySelector("a");
    if (!arrow.textContent.trim() && entry) arrow.ariaLabel = `Pages of ${entry.textContent.trim()}`;
  }
});
