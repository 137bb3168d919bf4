// Fills each placeholder of the page shortly before it scrolls into view. If its module cannot be
// had, the fallback stays.
(() => {
  const base = document.currentScript.src;
  const fill = async (box) => {
    const el = document.createElement("div");
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
  document.querySelectorAll(".udl-widget").forEach((box) => {
    watch.observe(box);
    // A link may carry the state of one interactive: #its-id:key=value.
    if (location.hash.startsWith(`#${box.id}:`)) box.scrollIntoView();
  });
})();
