// Asks the browser for its permission, as a browser wants to be asked: from a click. The wish is a cookie of this browser.
const wanted = () => /(?:^|; )mulligan_notices=on/.test(document.cookie);
const keep = (on) => {
  document.cookie = `mulligan_notices=${on ? "on" : "off"}; path=/; max-age=31536000; samesite=lax`;
};
const words = {
  on: "On: while a page of Mulligan is open and out of sight, it tells you when a job of yours ends.",
  off: "Off. Your browser asks you when you switch it on.",
  denied: "Your browser blocks notifications of this site. Allow them in its settings for this address, then switch them on.",
  missing: "This browser shows none here. It needs https, or an address on this machine.",
};

export default {
  template: `
    <div class="notice-switch">
      <button type="button" role="switch" class="switch" :aria-checked="state === 'on' ? 'true' : 'false'"
        :disabled="state === 'missing' || asking" aria-describedby="notice-switch-words" @click="turn">
        <span class="track" aria-hidden="true"></span>Tell me in this browser
      </button>
      <p id="notice-switch-words" class="muted" role="status">{{ words[state] }}</p>
    </div>`,
  data: () => ({ state: "off", asking: false, words }),
  mounted() {
    this.look();
  },
  methods: {
    look() {
      if (!("Notification" in window) || !window.isSecureContext) this.state = "missing";
      else if (Notification.permission === "denied") this.state = "denied";
      else this.state = wanted() && Notification.permission === "granted" ? "on" : "off";
    },
    async turn() {
      const on = this.state !== "on";
      if (on && Notification.permission !== "granted") {
        this.asking = true;
        await Notification.requestPermission();
        this.asking = false;
      }
      keep(on && Notification.permission === "granted");
      this.look();
      this.$emit("wished", this.state === "on");
    },
  },
};
