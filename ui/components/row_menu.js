// What can be done with one row: a popover of the browser's own, so that Esc, a press elsewhere and the focus's way back
// are the browser's business. One a page; the server says what is in it.
export default {
  template: `
    <div class="menu row-menu" popover role="menu" :aria-label="label" ref="panel" @keydown="move" @toggle="toggled">
      <template v-for="item in items" :key="item.word">
        <a v-if="item.href" class="item" role="menuitem" tabindex="-1" :href="item.href" :download="item.download"
           :data-icon="item.icon" @click="close">{{ item.word }}</a>
        <button v-else type="button" class="item" :class="item.css" role="menuitem" tabindex="-1" :data-icon="item.icon"
                @click="choose(item, $event)">{{ item.word }}</button>
      </template>
    </div>
  `,
  data: () => ({ items: [], label: "", job: null }),
  methods: {
    async show(job, label, items) {
      Object.assign(this, { job, label, items });
      await this.$nextTick();
      const panel = this.$refs.panel;
      const row = document.querySelector(`tr[data-job-id="${job}"]`);
      const button = row?.querySelector("button.more");
      if (!button) return;
      if (!row.contains(document.activeElement)) button.focus({ preventScroll: true });
      panel.showPopover();
      const at = button.getBoundingClientRect();
      const { offsetHeight: height, offsetWidth: width } = panel;
      const top = at.bottom + 4 + height > innerHeight ? Math.max(8, at.top - height - 4) : at.bottom + 4;
      Object.assign(panel.style, { top: `${top}px`, left: `${Math.max(8, at.right - width)}px` });
      this.entries()[0]?.focus();
    },
    entries() {
      return [...this.$refs.panel.querySelectorAll("[role=menuitem]")];
    },
    move(event) {
      const entries = this.entries();
      const now = entries.indexOf(document.activeElement);
      const next = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: -1 }[event.key];
      if (event.key === "Tab") this.close();
      if (next === undefined) return;
      event.preventDefault();
      entries.at(next % entries.length)?.focus();
    },
    choose(item, event) {
      if (item.copies) {
        const text = item.copies.startsWith("/") ? location.origin + item.copies : item.copies;
        mulliganCopy(event.currentTarget, text).then(() => setTimeout(this.close, 700));
        return;
      }
      this.close();
      this.$emit("choose", [this.job, item.action]);
    },
    close() {
      this.$refs.panel.hidePopover();
    },
    toggled(event) {
      this.$emit("turned", event.newState === "open");
    },
  },
};
