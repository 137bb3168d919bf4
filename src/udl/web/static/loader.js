// Fills each placeholder of the page shortly before it scrolls into view. If its module cannot be
// had, the fallback stays.
(() => {
  const base = document.currentScript.src;
  const fill = async (box) => {
    const el = document.createElement("div");
    box.querySelector(":scope > div:not(.udl-fallback)")?.remove();
    box.append(el);
    try {
      const props = JSON.parse(box.querySelector("script").textContent);
      const { render } = await import(new URL(`${box.dataset.module}.mjs`, base));
      await render({ el, props });
      box.querySelector(".udl-fallback").hidden = true;
    } catch (error) {
      el.remove();
      console.error(error);
    }
  };
  const watch = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watch.unobserve(target);
      fill(target);
    }
  }, { rootMargin: "400px" });
  const boxes = [...document.querySelectorAll(".udl-widget")];
  // A link may carry the state of one interactive: #its-id:key=value.
  const named = () => boxes.find((box) => location.hash.startsWith(`#${box.id}:`));
  boxes.forEach((box) => watch.observe(box));
  named()?.scrollIntoView();
  if (document.querySelector(".exercise, #udl-progress")) {
    import(new URL("progress.mjs", base)).then((m) => m.start(), console.error);
  }
  addEventListener("hashchange", () => {
    const box = named();
    if (!box) return;
    watch.unobserve(box);
    fill(box).then(() => box.scrollIntoView());
  });
})();
