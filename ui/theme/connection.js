// The browser's own connection. It says what it is where no server can: in `data-link` of the root element, which the
// style sheet knows. Nothing: connected. "cut": lost a moment ago. "off": lost for a while. "gone": another server
// answers, which knows nothing of this page.
(() => {
  const root = document.documentElement;
  const OFF_AFTER_MS = 12000;
  const typed = new Set();
  let timer;
  const is = (link) => {
    clearTimeout(timer);
    if (link) root.dataset.link = link;
    else delete root.dataset.link;
    if (link === "cut") timer = setTimeout(() => is("off"), OFF_AFTER_MS);
  };
  const hasTyped = () => [...typed].some((field) => field.isConnected && (field.value || field.files?.length));
  // Loads the page anew; but never takes from somebody what they have typed.
  const again = () => (hasTyped() ? is("gone") : location.reload());

  document.addEventListener("input", (event) => {
    if (!event.target.closest("[role=search]")) typed.add(event.target);
  });
  document.addEventListener("DOMContentLoaded", () => {
    const popup = document.getElementById("popup");
    const { socket } = window;
    if (!popup || !socket) return;
    new MutationObserver(() => {
      if (popup.ariaHidden === "true") is();
      else if (!root.dataset.link) is("cut");
    }).observe(popup, { attributeFilter: ["aria-hidden"] });
    // NiceGUI's own answer loads the page anew, also where nobody answers: that ends on the browser's page of errors,
    // from which no way leads back.
    socket.off("connect_error").on("connect_error", ({ message }) => {
      if (message === "timeout") socket.io.opts.transports = ["polling", "websocket"];
      else if (message === "Implicit handshake failed") again();
    });
  });
  // What is pressed now would be lost without a word.
  const refuse = (event) => {
    if (!["off", "gone"].includes(root.dataset.link)) return;
    const pressed = event.target.closest?.("a[href], button, [type=submit], [role=button], [role=menuitem]");
    if (!pressed || pressed.closest(".scheme, .toast") || pressed.getAttribute("href")?.startsWith("#")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    for (const sign of document.querySelectorAll(".toast.sign")) {
      sign.classList.remove("again");
      void sign.offsetWidth;
      sign.classList.add("again");
    }
  };
  window.addEventListener("click", refuse, true);
})();
