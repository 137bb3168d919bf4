// The modules of the site, for pages that were opened as files: a browser then reads no module and
// no weights from other files. offline.py puts their sources in front of this, as MODULES.
{
  const base = document.currentScript.src;
  const here = (path) => new URL(path, base).href;
  const imports = {};
  for (const [path, source] of Object.entries(MODULES)) {
    const address = here(path);
    const code = source
      .replace(/(\bfrom\s*|\bimport\s*\(?\s*)(["'])(\.\.?\/[^"']+)\2/g, (_, how, quote, name) =>
        how + JSON.stringify(new URL(name, address).href))
      .replaceAll("import.meta.url", JSON.stringify(address));
    imports[address] = `data:text/javascript;charset=utf-8,${encodeURIComponent(code)}`;
  }
  const map = document.createElement("script");
  map.type = "importmap";
  map.textContent = JSON.stringify({ imports });
  document.currentScript.after(map);
}
