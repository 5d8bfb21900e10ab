// Rewrites moments, which the server gives in UTC, to the reader's own time zone; closes menus.
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

  // An open menu gives way to Escape, and to whatever else is clicked.
  const close = (menu) => { menu.open = false; };
  document.addEventListener("keydown", (event) => {
    const menu = document.querySelector("details.menu[open]");
    if (event.key !== "Escape" || !menu) return;
    close(menu);
    menu.querySelector("summary").focus();
  });
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) close(menu);
  });

  localise(document);
  document.addEventListener("htmx:afterSwap", () => localise(document));
})();
