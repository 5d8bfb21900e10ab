// Makes long forms shorter work: searches rows, ticks all, counts what is ticked. Everything works without it.
(() => {
  for (const part of document.querySelectorAll(".only-script:not(#nothing-found)")) part.hidden = false;

  // An answer that never comes must not be waited for for ever.
  for (const event of ["htmx:responseError", "htmx:sendError", "htmx:timeout"])
    document.addEventListener(event, ({ target }) => target.classList.add("has-failed"));

  document.querySelector("[aria-current=step]")?.scrollIntoView({ block: "nearest", inline: "center" });

  const fieldsOf = (section) => [...section.querySelectorAll("tbody input[type=checkbox]")];

  const count = (section) => {
    const note = section.querySelector("[data-count]");
    if (!note) return;
    const fields = fieldsOf(section);
    const whole = section.querySelector("[data-whole]").checked;
    note.textContent = `${whole ? fields.filter((field) => field.checked).length : 0} of ${fields.length} field${fields.length > 1 ? "s" : ""}`;
  };

  for (const section of document.querySelectorAll("[data-object]")) {
    section.addEventListener("change", () => count(section));
    section.addEventListener("click", (event) => {
      const button = event.target.closest("[data-tick]");
      if (!button) return;
      event.preventDefault();
      for (const field of fieldsOf(section)) {
        if (!field.closest("tr").hidden) field.checked = button.dataset.tick === "all";
      }
      count(section);
    });
  }

  for (const search of document.querySelectorAll("[data-filter]")) {
    const rows = [...document.querySelectorAll(`${search.dataset.filter} [data-row]`)];
    const nothing = document.getElementById("nothing-found");
    const apply = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let found = 0;
      for (const row of rows) {
        row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
        found += !row.hidden;
      }
      for (const section of document.querySelectorAll("[data-object]")) {
        const details = section.querySelector("details");
        if (details && words.length) details.open = details.querySelector("[data-row]:not([hidden])") !== null;
      }
      nothing.hidden = found > 0;
    };
    search.addEventListener("input", apply);
    // Enter would send the form.
    search.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  }
})();
