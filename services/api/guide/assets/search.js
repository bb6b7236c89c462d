"use strict";

// find is the passages that hold every word of a query, best first: a word counts more
// in the title of a page than in a heading, and there more than in the text.
function find(passages, query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  const found = [];
  for (const p of passages) {
    const [page, heading, text] = [p.page, p.heading, p.text].map((s) => s.toLowerCase());
    let score = 0;
    for (const w of words) {
      const here = (page.includes(w) ? 4 : 0) + (heading.includes(w) ? 8 : 0) + Math.min(4, text.split(w).length - 1);
      if (here === 0) { score = 0; break; }
      score += here;
    }
    if (score > 0) found.push({ passage: p, score });
  }
  return found.sort((a, b) => b.score - a.score).slice(0, 12).map((f) => f.passage);
}

// around is the text beside the first of the words.
function around(text, query) {
  const word = query.toLowerCase().split(/\s+/).filter(Boolean)[0] || "";
  const at = Math.max(0, text.toLowerCase().indexOf(word) - 40);
  return (at > 0 ? "…" : "") + text.slice(at, at + 120) + (at + 120 < text.length ? "…" : "");
}

if (typeof document === "undefined") {
  module.exports = { find, around };
} else {
  const input = document.getElementById("search"), list = document.getElementById("found");
  input.addEventListener("input", () => {
    list.replaceChildren(...find(passages, input.value).map((p) => {
      const item = document.createElement("li"), link = document.createElement("a"), text = document.createElement("div");
      link.href = document.body.dataset.root + p.url;
      link.textContent = p.heading ? p.page + ": " + p.heading : p.page;
      text.textContent = around(p.text, input.value);
      item.append(link, text);
      return item;
    }));
    list.hidden = list.children.length === 0;
  });
  document.addEventListener("keydown", (e) => {
    if (e.key === "/" && e.target === document.body) { e.preventDefault(); input.focus(); }
  });
}
