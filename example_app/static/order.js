// Reload the page once the shop knows more of the watched order than the page shows.
const state = document.querySelector("[data-status-url]");
let wait = 400;

async function look() {
  try {
    const answer = await fetch(state.dataset.statusUrl, { cache: "no-store" });
    const { status } = await answer.json();
    if (status !== state.dataset.status) return location.reload();
  } catch {
    // The shop is restarting or the network is gone: the next look tells.
  }
  wait = Math.min(wait * 1.5, 5000);
  setTimeout(look, wait);
}

if (state) setTimeout(look, wait);
