// A file on its way to the API. The browser streams it from the disk: nothing holds it whole, here or on the server.
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

export default {
  template: `
    <div class="drop" :class="{ over, done: state === 'done', bad: state === 'failed' }"
         @dragover.prevent="over = true" @dragleave.prevent="over = false" @drop.prevent="dropped">
      <input ref="input" type="file" class="sr-only" :id="field" @change="chosen" :aria-describedby="field + '-state'" />
      <label v-if="!file" :for="field" class="drop-call" data-icon="cloud_upload">
        <span><strong>Choose a file</strong> or drop it here</span>
      </label>
      <div v-else class="drop-file" :data-icon="icon">
        <div class="drop-words">
          <strong>{{ file.name }}</strong>
          <div class="muted num">{{ words }}</div>
          <div v-if="state === 'busy'" class="barred" :style="{ '--p': percent + '%' }"></div>
        </div>
        <button type="button" class="btn small" @click="clear">{{ state === "busy" ? "Stop" : "Remove" }}</button>
      </div>
      <div class="sr-only" role="status" :id="field + '-state'">{{ spoken }}</div>
    </div>
  `,
  props: { url: String, field: String },
  data: () => ({ file: null, state: "empty", percent: 0, over: false, problem: "" }),
  computed: {
    icon() {
      return { busy: "upload_file", done: "check_circle", failed: "error" }[this.state];
    },
    words() {
      const size = inWords(this.file.size);
      if (this.state === "busy") return `${inWords((this.file.size * this.percent) / 100)} of ${size} · ${Math.floor(this.percent)}%`;
      return this.state === "failed" ? this.problem : size;
    },
    spoken() {
      if (this.state === "done") return `${this.file.name} is uploaded`;
      if (this.state === "failed") return this.problem;
      return this.state === "busy" ? "Uploading" : "";
    },
  },
  methods: {
    chosen(event) {
      if (event.target.files.length) this.send(event.target.files[0]);
    },
    dropped(event) {
      this.over = false;
      if (event.dataTransfer.files.length) this.send(event.dataTransfer.files[0]);
    },
    send(file) {
      this.stop();
      this.file = file;
      this.state = "busy";
      this.percent = 0;
      const form = new FormData();
      form.append("file", file);
      const request = new XMLHttpRequest();
      this.request = request;
      request.upload.onprogress = (event) => {
        if (event.lengthComputable) this.percent = (100 * event.loaded) / event.total;
      };
      request.onload = () => this.answered(request);
      request.onerror = () => this.failed("The connection was lost. Choose the file again.");
      request.open("POST", window.path_prefix + this.url);
      request.send(form);
      this.$emit("begun", file.name);
    },
    answered(request) {
      let answer = {};
      try {
        answer = JSON.parse(request.responseText);
      } catch (error) {
        answer = {};
      }
      if (request.status === 201 && answer.id) {
        this.state = "done";
        this.$emit("uploaded", { id: answer.id, filename: answer.filename });
      } else {
        this.failed(answer.detail || `The server refused the file (${request.status}).`);
      }
    },
    failed(problem) {
      this.state = "failed";
      this.problem = problem;
      this.$emit("cleared");
    },
    stop() {
      if (this.request) {
        this.request.onload = this.request.onerror = null;
        this.request.abort();
        this.request = null;
      }
    },
    clear() {
      this.stop();
      this.file = null;
      this.state = "empty";
      this.$refs.input.value = "";
      this.$emit("cleared");
      this.$refs.input.focus();
    },
  },
  unmounted() {
    this.stop();
  },
};
