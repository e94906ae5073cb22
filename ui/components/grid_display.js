// How dense the grid is, and which of its columns are shown: the browser's own choice, kept in a cookie that head.js reads
// before the first paint, unless the address of a saved view says otherwise. Nothing is read or drawn anew.
const COLUMNS = { kind: "Kind", progress: "Progress", retries: "Retries", created: "Created" };

export default {
  template: `
    <div class="display">
      <button type="button" class="btn" data-icon="tune" popovertarget="grid-display" aria-haspopup="dialog" aria-label="Display" ref="button">
        <span class="hide-small">Display</span>
      </button>
      <div id="grid-display" class="menu display-panel" popover role="dialog" aria-label="Display" @toggle="place" ref="panel">
        <fieldset>
          <legend>Rows</legend>
          <label><input type="radio" name="density" value="" v-model="density" @change="keep" /> Comfortable</label>
          <label><input type="radio" name="density" value="compact" v-model="density" @change="keep" /> Compact</label>
        </fieldset>
        <fieldset>
          <legend>Columns</legend>
          <label v-for="(name, column) in columns" :key="column">
            <input type="checkbox" :value="column" v-model="shown" @change="keep" /> {{ name }}
          </label>
        </fieldset>
      </div>
    </div>
  `,
  data: () => ({ columns: COLUMNS, density: "", shown: [] }),
  mounted() {
    this.read();
    window.addEventListener("mulligan-grid", this.read);
  },
  unmounted() {
    window.removeEventListener("mulligan-grid", this.read);
  },
  methods: {
    read() {
      const chosen = (document.documentElement.dataset.grid || "").split(" ");
      this.density = chosen.includes("compact") ? "compact" : "";
      this.shown = Object.keys(COLUMNS).filter((column) => !chosen.includes(`no-${column}`));
    },
    keep() {
      const hidden = Object.keys(COLUMNS).filter((column) => !this.shown.includes(column));
      window.mulliganKeepGrid([this.density, ...hidden.map((column) => `no-${column}`)].filter(Boolean));
      this.$emit("kept");
    },
    place(event) {
      if (event.newState !== "open") return;
      const { bottom, right } = this.$refs.button.getBoundingClientRect();
      Object.assign(this.$refs.panel.style, {
        top: `${bottom + 4}px`, left: `${Math.max(8, right - this.$refs.panel.offsetWidth)}px`,
      });
      this.$refs.panel.querySelector("input:checked, input")?.focus({ preventScroll: true });
    },
  },
};
