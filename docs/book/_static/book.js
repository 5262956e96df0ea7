// The theme makes wide boxes reachable by the keyboard, so that arrow keys can scroll them; not these.
document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll(".output, math[display=block], .pst-scrollable-table-container")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
});
