// Shows a moment in the words, locale and time zone of the browser. One clock ticks for all of them.
const shown = new Set();
setInterval(() => shown.forEach((moment) => moment.tick()), 5000);

const absolute = (date) => new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" }).format(date);

function relative(date) {
  const seconds = (Date.now() - date) / 1000;
  const distance = Math.abs(seconds);
  if (distance < 45) return seconds < -5 ? `in ${Math.round(distance)} s` : "now";
  let words;
  if (distance < 3600) words = `${Math.max(1, Math.round(distance / 60))} min`;
  else if (distance < 86400) words = `${Math.round(distance / 3600)} h`;
  else if (distance < 7 * 86400) words = `${Math.round(distance / 86400)} d`;
  else return new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" }).format(date);
  return seconds < 0 ? `in ${words}` : words;
}

const formats = {
  relative,
  ago: (date) => {
    const words = relative(date);
    return /^(now|in )|\d{4}/.test(words) ? (words === "now" ? "just now" : words) : `${words} ago`;
  },
  datetime: (date) => new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }).format(date),
  // Days are counted in UTC, so they are named in it.
  day: (date) => new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" }).format(date),
  hour: (date) =>
    new Intl.DateTimeFormat(undefined, { weekday: "short", hour: "numeric", minute: "2-digit" }).format(date),
  time: (date) => {
    const isToday = date.toDateString() === new Date().toDateString();
    return isToday ? new Intl.DateTimeFormat(undefined, { timeStyle: "medium" }).format(date) : formats.datetime(date);
  },
};

export default {
  template: `<time :datetime="at" :title="title">{{ prefix }}{{ text }}</time>`,
  props: { at: String, mode: String, prefix: { type: String, default: "" } },
  data: () => ({ beat: 0 }),
  computed: {
    title() {
      return this.at ? absolute(new Date(this.at)) : undefined;
    },
    text() {
      this.beat;
      return this.at ? formats[this.mode](new Date(this.at)) : "";
    },
  },
  methods: {
    tick() {
      if (this.mode === "relative" || this.mode === "ago") this.beat++;
    },
  },
  mounted() {
    shown.add(this);
  },
  unmounted() {
    shown.delete(this);
  },
};
