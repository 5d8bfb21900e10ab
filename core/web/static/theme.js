// Runs before the page is painted, so that a dark page never flashes white.
(() => {
  const page = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const wanted = page.dataset.theme === "system" ? (system.matches ? "dark" : "light") : page.dataset.theme;
    page.setAttribute("data-bs-theme", wanted);
  };
  apply();
  system.addEventListener("change", apply);
})();
