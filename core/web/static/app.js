// Rewrites moments, which the server gives in UTC, to the reader's own time zone.
(() => {
  const day = { day: "numeric", month: "short", year: "numeric" };
  const formats = {
    date: new Intl.DateTimeFormat("en-GB", day),
    datetime: new Intl.DateTimeFormat("en-GB", { ...day, hour: "2-digit", minute: "2-digit" }),
  };
  const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });

  const localise = (root) => {
    for (const time of root.querySelectorAll("time[data-format]")) {
      const moment = new Date(time.dateTime);
      time.textContent = formats[time.dataset.format].format(moment);
      time.title = full.format(moment);
    }
  };

  localise(document);
  document.addEventListener("htmx:afterSwap", () => localise(document));
})();
