// Gives each cell of a table with more than two columns the heading of its column, which pages.css shows on a phone.
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("article table.docutils")) {
    const headings = [...(table.tHead?.rows[0].cells ?? [])].map((cell) => cell.textContent.trim());
    if (headings.length < 3) continue;
    for (const row of table.tBodies[0].rows) {
      for (const cell of [...row.cells].slice(1)) cell.dataset.label = headings[cell.cellIndex];
    }
  }
});
