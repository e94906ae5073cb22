// Shows a notification of the browser's own, while nobody looks at the page. Text only: the browser parses nothing of it.
const wanted = () => /(?:^|; )mulligan_notices=on/.test(document.cookie);

export default {
  template: "<span hidden></span>",
  methods: {
    tell({ tag, title, body, path }) {
      if (!document.hidden || !wanted() || !("Notification" in window) || Notification.permission !== "granted") return;
      let shown;
      try {
        // Of several open pages each tells the same: the tag makes one of it.
        shown = new Notification(title, { body, tag });
      } catch {
        return; // phones have them for installed pages only
      }
      shown.onclick = () => {
        shown.close();
        window.focus();
        if (location.pathname + location.search !== path) location.assign(path);
      };
    },
  },
};
