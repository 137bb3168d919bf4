// Runs in the page that becomes the PDF: pdf.py hands over the built pages, and they are joined here.
// Each id gets its page's name in front, so that it stays unique, and links between pages lead there.
(pages) => {
  const SHORT = 16; // lines of code that stay on one page
  const problems = [];
  const formulas = [];
  const main = document.querySelector("main");
  const contents = document.querySelector("nav.toc ol");
  const names = new Map(pages.map(({ path, name }) => [path, name]));
  const make = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };
  const strip = (root, selector) => root.querySelectorAll(selector).forEach((el) => el.remove());
  const unwrap = (el) => el.replaceWith(...el.childNodes);

  // A formula as a line of text, for who has it read aloud.
  const said = (node) => {
    const parts = [...node.children].map(said);
    const [first, second, third] = parts;
    const group = (text) => (/^\S?$/u.test(text) ? text : `(${text})`);
    switch (node.localName) {
      case "mfrac": return `${group(first)}/${group(second)}`;
      case "msqrt": return `√${group(parts.join(" "))}`;
      case "msub": case "munder": return `${first}_${group(second)}`;
      case "msup": return `${first}^${group(second)}`;
      case "mover": return `${first} with ${second} above`;
      case "msubsup": case "munderover": return `${first}_${group(second)}^${group(third)}`;
      case "mtd": return `${parts.join(" ")}, `;
      default: return parts.length ? parts.join(" ") : node.textContent.trim();
    }
  };

  // What only a screen can do, what is said elsewhere in the book, and what is folded.
  const forPaper = (article) => {
    strip(article, `script, button, .headerlink, .covers, details.trust, .terms-uses, .terms-index, #udl-progress, .page-only,
      .toctree-wrapper`);
    for (const el of article.querySelectorAll("details.hide")) {
      el.querySelector("summary").remove();
      unwrap(el);
    }
    for (const el of article.querySelectorAll("details")) el.open = true;
    for (const el of article.querySelectorAll(".udl-figure")) {
      el.style.width = `calc(0.74 * ${el.style.width})`; // their letters become those of captions
    }
    for (const el of article.querySelectorAll("mjx-assistive-mml")) {
      // A formula is drawn once; its MathML would be a second text behind it.
      const box = el.parentElement;
      box.role = "group";
      box.lang = `x-f${formulas.length}`;
      // What is drawn comes from the style sheet, and that is not in the tags: a space takes its place.
      box.prepend(make("span", { className: "said", textContent: "\u00a0" }));
      formulas.push(said(el.firstElementChild).replace(/\s+/g, " ").trim());
      el.remove();
    }
    for (const el of article.querySelectorAll(".udl-check")) {
      // Open checks say that there is no answer yet: on paper there never is.
      if (el.dataset.state === "open") el.remove();
    }
  };

  // Answers stand at the end of the chapter: below a question they would give themselves away.
  const forQuestions = (article, name) => {
    const answers = make("ol", { className: "answers" });
    for (const widget of article.querySelectorAll(".udl-widget")) {
      const fallback = widget.querySelector(".udl-fallback");
      unwrap(fallback);
      if (widget.dataset.module !== "questions") {
        widget.classList.add("interactive");
        widget.prepend(make("p", { className: "kind", textContent: "Interactive, in the pages of this book" }));
        continue;
      }
      widget.classList.add("question");
      const details = widget.querySelector("details");
      const count = answers.children.length + 1;
      const answer = make("li", { id: `answer-${count}` }, ...details.querySelector("p").childNodes);
      answers.append(answer);
      const there = make("a", { className: "kind", href: `#answer-${count}`, textContent: `Question ${count}` });
      details.remove();
      const first = widget.querySelector("p");
      first.prepend(there, " ");
      const back = make("a", { href: `#${widget.id}`, textContent: `${count}.` });
      answer.prepend(back, " ");
    }
    if (!answers.children.length) return;
    const head = make("h2", { textContent: "Answers to the questions" });
    article.querySelector("section").append(make("section", { id: "answers-to-the-questions" }, head, answers));
  };

  const REFERS = ["for", "aria-labelledby", "aria-describedby", "headers"];
  const forIds = (article, name, path) => {
    const at = (id) => `${name}--${id}`;
    for (const el of article.querySelectorAll("*")) {
      for (const { name: key, value } of [...el.attributes]) {
        if (key === "id") el.id = at(value);
        else if (REFERS.includes(key)) el.setAttribute(key, value.split(" ").map(at).join(" "));
        else if (value.includes("url(#")) el.setAttribute(key, value.replace(/url\((["']?)#/g, `url($1#${at("")}`));
        else if (key.endsWith("href") && el.localName !== "a") {
          if (value.startsWith("#")) el.setAttribute(key, `#${at(value.slice(1))}`);
        } else if (key === "href") {
          const { protocol, pathname, hash } = new URL(value, `book:///${path}`);
          if (protocol === "book:") {
            const page = names.get(pathname.slice(1));
            if (page) el.setAttribute("href", hash ? `#${page}--${decodeURIComponent(hash.slice(1))}` : `#${page}`);
            else unwrap(el); // that page is not in here
          } else if (!/^https?:$/.test(protocol)) unwrap(el);
          else el.classList.add("external");
        }
      }
    }
  };

  // A part's title is above its chapters' titles, also in the outline.
  const lower = (article) => {
    for (const level of [5, 4, 3, 2, 1]) {
      for (const el of article.querySelectorAll(`h${level}`)) {
        const head = make(`h${level + 1}`, { className: el.className });
        head.append(...el.childNodes);
        el.replaceWith(head);
      }
    }
  };

  const listed = (id, head, list) => {
    const link = make("a", { href: `#${id}` }, make("span", { className: "title", textContent: head.textContent.trim() }),
      make("span", { className: "page" }));
    const item = make("li", {}, link);
    list.append(item);
    return item;
  };

  const styles = new Set();
  let part;
  for (const { path, name, html, part: title } of pages) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const article = document.adoptNode(page.querySelector("article.bd-article"));
    for (const style of page.querySelectorAll("head style")) {
      if (style.textContent.includes("mjx-")) for (const rule of style.textContent.match(/[^{}]+\{[^{}]*\}/g)) styles.add(rule);
    }
    forPaper(article);
    forQuestions(article, name);
    forIds(article, name, path);
    lower(article);
    article.id = name;
    const head = article.querySelector("h2");
    if (title && title !== part) {
      part = title;
      const above = make("h1", { className: "part", textContent: title, id: `part--${name}` });
      head.before(above);
      contents.append(make("li", { className: "part" }, make("span", { textContent: title })));
    }
    const item = listed(name, head, contents);
    const inner = make("ol");
    for (const section of article.querySelectorAll(":scope > section > section[id]")) {
      const below = section.querySelector(":scope > h3");
      if (below) listed(section.id, below, inner);
    }
    if (inner.children.length) item.append(inner);
    // Its name stands in the head of its pages.
    article.style.page = name;
    styles.add(`@page ${name} { @top-center { content: ${JSON.stringify(head.textContent.trim())} } }`);
    main.append(article);
  }
  // A section can begin at the foot of a page and its heading at the head of the next: links lead to headings.
  for (const section of main.querySelectorAll("section[id]")) {
    const head = section.querySelector(":scope > :is(h2, h3, h4, h5, h6)");
    if (!head) continue;
    while (head.previousElementSibling?.matches("span[id]")) head.prepend(head.previousElementSibling);
    head.id = section.id;
    section.removeAttribute("id");
  }
  // Names, signs and spaces in code look alike, and each span would be one more tag in the PDF.
  main.querySelectorAll(":is(pre, code) :is(.n, .p, .o, .w, .pre, .si, span:not([class]))").forEach(unwrap);
  main.normalize();
  for (const pre of main.querySelectorAll("pre")) pre.classList.toggle("short", pre.textContent.trim().split("\n").length <= SHORT);
  document.head.append(make("style", { textContent: [...styles].join("\n") }));

  const ids = new Set();
  for (const { id } of document.querySelectorAll("[id]")) {
    if (ids.has(id)) problems.push(`two elements have the id ${id}`);
    ids.add(id);
  }
  for (const link of document.querySelectorAll("a[href^='#']")) {
    if (!ids.has(link.getAttribute("href").slice(1))) problems.push(`no element has the id of ${link.getAttribute("href")}`);
  }
  // Chromium would shrink the whole book until the widest thing fits.
  const edge = main.getBoundingClientRect().right + 1;
  for (const article of main.children) {
    if (article.getBoundingClientRect().left + article.scrollWidth <= edge) continue;
    const wide = [...article.querySelectorAll("table, pre, svg, p, mjx-math")].find((el) => el.getBoundingClientRect().right > edge);
    problems.push(`${article.id}: wider than a page of paper: ${wide?.outerHTML.slice(0, 200) ?? "something"}`);
  }

  const headings = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((el) => el.textContent.replace(/\s+/g, " ").trim());
  return { problems, formulas, headings };
}
