// Rewrites moments, which the server gives in UTC, to the reader's own time zone; closes menus; says who is waited for.
(() => {
  const day = { day: "numeric", month: "short", year: "numeric" };
  const formats = {
    date: new Intl.DateTimeFormat("en-GB", day),
    datetime: new Intl.DateTimeFormat("en-GB", { ...day, hour: "2-digit", minute: "2-digit" }),
    time: new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" }),
  };
  const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });

  const localise = (root) => {
    for (const time of root.querySelectorAll("time[data-format]")) {
      const moment = new Date(time.dateTime);
      time.textContent = formats[time.dataset.format].format(moment);
      time.title = full.format(moment);
    }
  };

  // Whoever leaves the menu by keyboard must see where she gets.
  const sidebar = document.getElementById("sidebar");
  sidebar?.addEventListener("focusout", ({ relatedTarget: next }) => {
    if (next && !sidebar.contains(next) && sidebar.matches(":popover-open")) sidebar.hidePopover();
  });

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

  // Others may take their time: a form or link with data-wait says whom it waits for, and is sent once.
  const waiting = document.querySelector(".waiting-for");
  const begin = (event, asked, pressed) => {
    const text = pressed?.dataset.wait ?? asked.dataset.wait;
    if (!text || event.defaultPrevented) return;
    if (asked.ariaBusy === "true") { event.preventDefault(); return; }
    asked.ariaBusy = "true";
    waiting.textContent = text;
    pressed?.classList.add("btn-busy");
    // At once, the button would not be sent with its form.
    setTimeout(() => { for (const button of asked.querySelectorAll("button")) button.disabled = true; });
  };
  document.addEventListener("submit", (event) => begin(event, event.target, event.submitter));
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-wait]");
    if (link && event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey) begin(event, link, link);
  });
  // A page that comes back with the back button waits for nobody.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  // What said that a sync has started is over when it ended.
  document.body.addEventListener("run-ended", () => document.querySelector(".content > .notice-success")?.remove());

  for (const field of document.querySelectorAll("[data-zone]")) field.value = Intl.DateTimeFormat().resolvedOptions().timeZone;

  localise(document);
  document.addEventListener("htmx:afterSwap", () => localise(document));
})();
