(() => {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => (document.cookie.match(/(?:^|; )mulligan_theme=(auto|light|dark)/) || [])[1] || "auto";
  const apply = () => {
    const scheme = chosen();
    const dark = scheme === "dark" || (scheme === "auto" && system.matches);
    root.classList.toggle("dark", dark);
    root.dataset.theme = scheme;
    if (typeof setDark === "function") setDark(dark);
    for (const radio of document.querySelectorAll('input[name="mulligan-theme"]')) radio.checked = radio.value === scheme;
  };
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", apply);
  apply();
  window.mulliganScheme = (scheme) => {
    document.cookie = `mulligan_theme=${scheme}; path=/; max-age=31536000; samesite=lax`;
    apply();
  };
  window.mulliganNextScheme = () => mulliganScheme({ auto: "light", light: "dark", dark: "auto" }[chosen()]);
  // The clipboard's own interface is there only in a secure context; a desk in a local network may be plain HTTP.
  window.mulliganCopy = async (button, text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch (error) {
      const area = document.createElement("textarea");
      area.value = text;
      area.style.cssText = "position:fixed;opacity:0";
      (button.closest("[role=dialog]") || document.body).append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 2000);
    const voice = document.querySelector("[role=status].sr-only");
    if (voice) voice.textContent = "Copied";
  };
  // Density and columns of the grid: words such as "compact no-retries", which the style sheet knows. The address of a saved
  // view may name them (`show`); else they are as this browser keeps them.
  const grid = () => (document.cookie.match(/(?:^|; )mulligan_grid=([a-z.-]*)/) || [])[1] || "";
  window.mulliganShowGrid = (show) => {
    root.dataset.grid = (show || grid()).replaceAll(".", " ");
    window.dispatchEvent(new Event("mulligan-grid"));
  };
  mulliganShowGrid((location.search.match(/[?&]show=([a-z.-]+)/) || [])[1]);
  window.mulliganKeepGrid = (words) => {
    document.cookie = `mulligan_grid=${words.join(".")}; path=/; max-age=31536000; samesite=lax`;
    mulliganShowGrid(null);
  };
  // The grid puts its views into the history without loading; going back loads what the address says.
  window.addEventListener("popstate", () => {
    if (!location.hash) location.reload();
  });
  // Here, so that the letters after it go where they belong. Firefox would open its quick find.
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || document.querySelector(".q-dialog")) return;
    event.preventDefault();
    document.querySelector(".search input")?.focus();
  });
})();
