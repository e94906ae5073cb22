// A listbox under a search field: what the search could go on with, asked of the API while somebody types.
// The field stays the focused one (ARIA combobox); a list that was closed stays closed until something is typed.
const PAUSE_MS = 90;

export default {
  template: `
    <div>
      <ul ref="panel" class="completions" role="listbox" aria-label="Completions" popover="manual" :id="list" @mousedown.prevent>
        <li v-for="(option, n) in options" :key="option.text" :id="list + '-' + n" role="option"
            :aria-selected="n === active ? 'true' : 'false'" @click="pick(n)" @mousemove="active = n">
          <span class="label">{{ option.label }}</span><span class="hint">{{ option.hint }}</span>
        </li>
      </ul>
    </div>
  `,
  props: { url: String, list: String },
  data: () => ({ options: [], start: 0, end: 0, active: -1 }),
  mounted() {
    this.input = this.$el.parentElement.querySelector("input");
    for (const [name, value] of Object.entries({
      role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": this.list,
      autocomplete: "off", autocapitalize: "off", spellcheck: "false",
    })) this.input.setAttribute(name, value);
    this.input.addEventListener("keydown", this.key, true);
    this.input.addEventListener("input", this.later);
    this.input.addEventListener("click", this.later);
    this.input.addEventListener("blur", this.close);
    window.addEventListener("resize", this.close);
  },
  unmounted() {
    window.removeEventListener("resize", this.close);
    clearTimeout(this.timer);
  },
  watch: {
    active() {
      this.tell();
    },
  },
  methods: {
    later(event) {
      // Between two words the list would only be in the way; ↓ or a click asks for it.
      const before = this.input.value.slice(0, this.input.selectionStart);
      if (event.type === "input" && /(^|\s)$/.test(before)) return this.close();
      clearTimeout(this.timer);
      this.stale = true; // what is offered belongs to what was typed before
      this.timer = setTimeout(() => this.ask(), PAUSE_MS);
    },
    async ask(active = -1) {
      clearTimeout(this.timer);
      const { value, selectionStart } = this.input;
      const asked = (this.asked = {});
      // The API counts characters, the browser UTF-16 units.
      const at = [...value.slice(0, selectionStart)].length;
      try {
        const query = new URLSearchParams({ q: value, at });
        const answer = await fetch(`${window.path_prefix}${this.url}&${query}`);
        const found = answer.ok ? await answer.json() : { options: [], start: 0, end: 0 };
        // Something was typed, asked or closed meanwhile.
        if (asked !== this.asked || this.input.value !== value || document.activeElement !== this.input) return;
        this.stale = false;
        Object.assign(this, { options: found.options, start: found.start, end: found.end, active });
        this.$nextTick(() => (found.options.length ? this.open() : this.close()));
      } catch {
        if (asked === this.asked) this.close(); // a search works without
      }
    },
    open() {
      const place = this.input.closest("label").getBoundingClientRect();
      Object.assign(this.$refs.panel.style, {
        left: `${place.left}px`, top: `${place.bottom + 4}px`, width: `${Math.min(place.width, 460)}px`,
      });
      if (!this.isOpen()) this.$refs.panel.showPopover();
      this.tell();
    },
    close() {
      clearTimeout(this.timer);
      this.asked = null;
      if (this.isOpen()) this.$refs.panel.hidePopover();
      this.active = -1;
      this.tell();
    },
    isOpen() {
      return this.$refs.panel.matches(":popover-open");
    },
    tell() {
      const open = this.isOpen();
      this.input.setAttribute("aria-expanded", String(open));
      if (open && this.active >= 0) {
        this.input.setAttribute("aria-activedescendant", `${this.list}-${this.active}`);
        this.$refs.panel.children[this.active]?.scrollIntoView({ block: "nearest" });
      } else this.input.removeAttribute("aria-activedescendant");
    },
    key(event) {
      const many = this.options.length;
      if (event.key === "ArrowDown" && (this.stale || !this.isOpen())) {
        event.preventDefault();
        return this.ask(0);
      }
      if (!this.isOpen() || event.isComposing) return;
      if (event.key === "ArrowDown") this.active = (this.active + 1) % many;
      else if (event.key === "ArrowUp") this.active = this.active > 0 ? this.active - 1 : many - 1;
      else if (event.key === "Escape") this.close();
      else if (event.key === "Enter" && (this.stale || this.active < 0)) return this.close();
      else if (event.key === "Enter") this.pick(this.active);
      else if (event.key === "Tab" && !event.shiftKey && !this.stale && (this.active >= 0 || this.end > this.start)) this.pick(Math.max(this.active, 0));
      else return;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    pick(n) {
      const characters = [...this.input.value];
      const { text } = this.options[n];
      const after = characters.slice(this.end).join("");
      const gap = text.endsWith(":") || after.startsWith(" ") ? "" : " ";
      const before = characters.slice(0, this.start).join("") + text + gap;
      this.close();
      // Past Vue's own setter, then as if it had been typed: the field and whoever listens to it learn of it.
      Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(this.input, before + after);
      this.input.dispatchEvent(new Event("input", { bubbles: true }));
      this.input.setSelectionRange(before.length, before.length);
      this.input.focus();
    },
  },
};
