/* Sections come first. Sphinx finds pages that hold all words, and gives nearly all the same score.
 * search.py lists the sections (SECTIONS) with the phrases that lead to them: a title, a term, what
 * somebody may type. A section scores by the share of the query that its phrases hold, where rare
 * words count more, and by how much of its best phrase the query holds. Words that only the text of
 * its page holds count a little.
 */
{
  const SMALL = new Set(
    ("a about am an and any are as at be but by can could do does doing for from get happen has have how i if in " +
      "into is it its mean meaning me my near no not of on or our should so such that the their then there these " +
      "they this to too use used using vs was we what when where which who why will with would you your").split(" "),
  );
  const stemmer = new Stemmer();
  // Both spellings of -ize lead to the same; it does not matter that "noise" changes as well.
  const stems = (text) =>
    splitQuery(text.toLowerCase())
      .filter((word) => !SMALL.has(word))
      .map((word) => stemmer.stemWord(word.replace(/is(?=(?:e[drs]?|ing|ations?)$)/, "iz")));

  let known; // all sections, and how rare each of their words is
  const prepare = () => {
    const sections = [];
    const count = new Map();
    for (const [page, , listed] of SECTIONS) {
      const file = Search._index.docnames.indexOf(page);
      if (file < 0) continue;
      const head = new Set(listed[0][2].concat(listed[0][1]).flatMap(stems));
      for (const [anchor, title, phrases, weight] of listed) {
        const found = [title, ...phrases].map((phrase) => new Set(stems(phrase)));
        const words = new Set(found.flatMap((phrase) => [...phrase]));
        for (const word of words) count.set(word, (count.get(word) ?? 0) + 1);
        sections.push({ file, anchor, title, phrases: found, words, head, weight });
      }
    }
    const weights = new Map(SECTIONS.map(([page, weight]) => [page, weight]));
    return { sections, count, weights };
  };

  const find = (query) => {
    known ??= prepare();
    const { sections, count } = known;
    const { terms, titleterms, docnames, titles, filenames } = Search._index;
    const on = (word, file) => [terms[word], titleterms[word]].flat().includes(file);
    const asked = [...new Set(stems(query))]
      .map((word) => {
        // A word that is not typed to its end, or whose stem is another's beginning; no_name_of_code.
        const like = (w) => w.startsWith(word) || (w.length > 4 && word.startsWith(w));
        const begun = count.has(word) || word.length < 4 || word.includes("_") ? [word] : [...count.keys()].filter(like);
        const rarity = Math.log(1 + sections.length / Math.max(1, ...begun.map((w) => count.get(w) ?? 0)));
        return { word, begun, rarity };
      })
      .filter(({ word, begun }) => begun.some((w) => count.has(w)) || Object.hasOwn(terms, word));
    const total = asked.reduce((sum, { rarity }) => sum + rarity, 0);
    const results = [];
    for (const { file, anchor, title, phrases, words, head, weight } of sections) {
      let covered = 0;
      let own = false;
      for (const { word, begun, rarity } of asked) {
        if (begun.some((w) => words.has(w))) {
          covered += rarity;
          own = true;
        } else if (begun.some((w) => head.has(w))) covered += 0.5 * rarity;
        else if (on(word, file)) covered += 0.25 * rarity;
      }
      if (!own || covered < 0.5 * total) continue;
      let best = 0;
      for (const phrase of phrases) {
        let shared = 0;
        let matched = 0;
        for (const { begun, rarity } of asked) {
          if (begun.some((w) => phrase.has(w))) {
            shared += rarity;
            matched += 1;
          }
        }
        const rest = Math.max(0, phrase.size - matched);
        best = Math.max(best, shared / (total + rest));
      }
      const score = 50 * weight * (covered / total + best);
      const name = anchor ? `${titles[file]} > ${title.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}` : titles[file];
      results.push([docnames[file], name, anchor, null, score, filenames[file]]);
    }
    results.sort((a, b) => a[4] - b[4]);
    return results.slice(-12);
  };

  Scorer.score = (result) => {
    known ??= prepare();
    return result[4] * (known.weights.get(result[0]) ?? 1);
  };
  const pages = Search._performSearch;
  // The best result is the last.
  Search._performSearch = (query, ...parsed) => {
    const found = find(query);
    const here = new Set(found.map(([page, , anchor]) => page + anchor));
    const others = pages(query, ...parsed).filter(([page, , anchor, descr]) => descr || !here.has(page + anchor));
    return [...others, ...found].sort((a, b) => a[4] - b[4]);
  };
}
