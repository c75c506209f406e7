// Shows how far an import is, until its rows are done; then the page is loaded again, with what came of them.
(() => {
  const shown = document.getElementById("under-way");
  if (shown === null) return;
  const look = async () => {
    const response = await fetch(location.href, { credentials: "same-origin" }).catch(() => null);
    if (response?.ok) {
      const page = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("under-way");
      if (page === null) return location.reload();
      shown.querySelector("label").textContent = page.querySelector("label").textContent;
      shown.querySelector("progress").value = page.querySelector("progress").value;
    }
    setTimeout(look, 2000);
  };
  setTimeout(look, 1000);
})();
