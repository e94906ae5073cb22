// Files on their way to the API, one after the other. The browser streams each from the disk: nothing holds one whole,
// here or on the server.
function inWords(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit ? value.toFixed(1) : value} ${units[unit]}`;
}

let lastKey = 0;

export default {
  template: `
    <div class="drop" :class="{ over, done: is('done'), bad: items.some((item) => item.state === 'failed') }">
      <input ref="input" type="file" class="sr-only" :id="field" :multiple="several" @change="chosen"
             :aria-describedby="field + '-state'" />
      <div v-for="item in items" :key="item.key" class="drop-file" :class="item.state" :data-icon="icon(item)">
        <div class="drop-words">
          <strong>{{ item.file.name }}</strong>
          <div class="muted num">{{ words(item) }}</div>
          <div v-if="item.state === 'busy'" class="barred" :style="{ '--p': item.percent + '%' }"></div>
        </div>
        <button type="button" class="btn small" :aria-label="act(item) + ' ' + item.file.name"
                @click="remove(item)">{{ act(item) }}</button>
      </div>
      <label v-if="several || !items.length" :for="field" class="drop-call" :class="{ more: items.length }"
             data-icon="cloud_upload">
        <span v-if="items.length"><strong>Choose more</strong> or drop them here: a job for each</span>
        <span v-else-if="several"><strong>Choose a file</strong> or drop it here; several make a job each</span>
        <span v-else><strong>Choose a file</strong> or drop it here</span>
      </label>
      <div class="sr-only" role="status" :id="field + '-state'">{{ spoken }}</div>
    </div>
  `,
  props: { url: String, field: String, several: Boolean },
  data: () => ({ items: [], over: false, spoken: "" }),
  methods: {
    is(state) {
      return this.items.length > 0 && this.items.every((item) => item.state === state);
    },
    icon(item) {
      return { waiting: "schedule", busy: "upload_file", done: "check_circle", failed: "error" }[item.state];
    },
    act(item) {
      return item.state === "busy" ? "Stop" : "Remove";
    },
    words(item) {
      const size = inWords(item.file.size);
      if (item.state === "busy") {
        return `${inWords((item.file.size * item.percent) / 100)} of ${size} · ${Math.floor(item.percent)}%`;
      }
      return item.state === "failed" ? item.problem : item.state === "waiting" ? `${size} · waits` : size;
    },
    chosen(event) {
      this.add(event.target.files);
      this.$refs.input.value = "";
    },
    // A file dropped anywhere on the page is meant for its field; the browser would leave the page for it.
    isMeant(event) {
      const [first] = [...document.querySelectorAll(".drop")].filter((field) => field.offsetParent);
      return event.dataTransfer?.types.includes("Files") && (event.target.closest?.(".drop") || first) === this.$el;
    },
    dragged(event) {
      if (!this.isMeant(event)) return;
      event.preventDefault();
      this.over = true;
    },
    left(event) {
      if (!event.relatedTarget) this.over = false;
    },
    dropped(event) {
      if (!this.isMeant(event)) return;
      event.preventDefault();
      this.over = false;
      this.add(event.dataTransfer.files);
    },
    add(files) {
      const chosen = [...files].slice(0, this.several ? undefined : 1);
      if (!chosen.length) return;
      if (!this.several) this.items.forEach((item) => this.stop(item));
      const kept = this.several ? this.items : [];
      this.items = [...kept, ...chosen.map((file) => ({ key: ++lastKey, file, state: "waiting", percent: 0 }))];
      this.goOn();
    },
    goOn() {
      if (!this.items.some((item) => item.state === "busy")) {
        const next = this.items.find((item) => item.state === "waiting");
        if (next) this.send(next);
      }
      this.tell();
    },
    send(item) {
      item.state = "busy";
      this.spoken = "Uploading";
      const form = new FormData();
      form.append("file", item.file);
      const request = new XMLHttpRequest();
      item.request = request;
      request.upload.onprogress = (event) => {
        if (event.lengthComputable) item.percent = (100 * event.loaded) / event.total;
      };
      request.onload = () => this.answered(item, request);
      request.onerror = () => this.failed(item, "The connection was lost. Choose the file again.");
      request.open("POST", window.path_prefix + this.url);
      request.send(form);
    },
    answered(item, request) {
      let answer = {};
      try {
        answer = JSON.parse(request.responseText);
      } catch (error) {
        answer = {};
      }
      if (request.status !== 201 || !answer.id) {
        this.failed(item, answer.detail || `The server refused the file (${request.status}).`);
        return;
      }
      item.state = "done";
      item.id = answer.id;
      this.spoken = `${item.file.name} is uploaded`;
      this.goOn();
    },
    failed(item, problem) {
      item.state = "failed";
      item.problem = this.spoken = problem;
      this.goOn();
    },
    tell() {
      const count = (...states) => this.items.filter((item) => states.includes(item.state)).length;
      const ids = this.items.filter((item) => item.state === "done").map((item) => item.id);
      this.$emit("changed", { busy: count("waiting", "busy"), failed: count("failed"), ids });
    },
    stop(item) {
      if (!item.request) return;
      item.request.onload = item.request.onerror = null;
      item.request.abort();
      item.request = null;
    },
    remove(item) {
      this.stop(item);
      this.items = this.items.filter((other) => other.key !== item.key);
      this.spoken = "";
      this.goOn();
      this.$refs.input.focus();
    },
    // Called from Python: these have been made jobs of.
    forget(ids) {
      this.items = this.items.filter((item) => !ids.includes(item.id));
      this.goOn();
    },
  },
  mounted() {
    this.listeners = { dragover: this.dragged, dragleave: this.left, drop: this.dropped };
    for (const [name, heard] of Object.entries(this.listeners)) window.addEventListener(name, heard);
  },
  unmounted() {
    for (const [name, heard] of Object.entries(this.listeners)) window.removeEventListener(name, heard);
    this.items.forEach((item) => this.stop(item));
  },
};
