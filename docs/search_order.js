// Orders the results of the search, which Sphinx takes from here in the place of its own Scorer.

// Pages that users do not need.
const DEVELOPMENT = ["benchmarks", "changes", "design", "internals", "tested"];

var Scorer = {
  score: ([page, text, , kind, score]) => {
    if (DEVELOPMENT.includes(page)) return score / 10;
    // Who enters three words of a log message wants it, whatever pages have these words too.
    const query = new URLSearchParams(window.location.search).get("q") || "";
    const wanted = splitQuery(query.toLowerCase());
    const words = splitQuery(text.toLowerCase());
    const isTheirs = wanted.length > 2 && wanted.every((word) => words.includes(word));
    return kind?.startsWith("log message") && isTheirs ? 100 : score;
  },

  // What Sphinx has.
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
