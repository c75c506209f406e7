// The shortcuts of staff's pages, and their end: a page is cleared when its session has ended, also while the service cannot be reached.
(() => {
  const search = document.querySelector("[data-shortcut]");
  if (!search) return;
  addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
    const isSlash = search.dataset.shortcut === "/" && event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping;
    const isControlK = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
    if (!isSlash && !isControlK) return;
    event.preventDefault();
    search.focus();
    search.select();
  });
})();
(() => {
  const IDLE_MS = 31 * 60 * 1000; // A minute longer than the session.
  const tabs = new BroadcastChannel("staff");
  const isSignedIn = document.getElementById("signed-in") !== null;
  if (isSignedIn) tabs.postMessage("used");
  else if (location.pathname === "/staff/sign-in") tabs.postMessage("ended"); // Who is signed in does not get that page.
  if (!isSignedIn) return;
  let timer;
  const leave = () => {
    document.body.replaceChildren();
    location.replace("/staff/sign-in");
  };
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(leave, IDLE_MS);
  };
  tabs.addEventListener("message", (event) => (event.data === "ended" ? leave() : wait()));
  wait();
})();
